// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

#include <algorithm>

namespace bench {
namespace {

constexpr unsigned kParts = 2;
constexpr std::size_t kBatch = 256;

// One thread's share of a round.
struct Share {
  std::vector<std::uint64_t> fresh;   // tracked first
  std::vector<std::uint64_t> marked;  // of the population
  std::vector<std::uint64_t> paired;  // new ids of the pairs
  std::vector<std::uint64_t> victims;
};

Share share_of(Population& population, unsigned part, std::size_t count) {
  auto& ids = population.part(part);
  auto& random = population.random(part);
  if (ids.size() < 2 * count) fail("more operations a thread than half of the live items");
  Share share;
  share.fresh = population.fresh(part, count);
  share.paired = population.fresh(part, count);
  const auto chosen = pick(ids, 2 * count, random);
  share.marked.assign(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(count));
  share.victims.assign(chosen.begin() + static_cast<std::ptrdiff_t>(count), chosen.end());
  // What the round completes goes, what it tracks stays.
  ids.resize(ids.size() - 2 * count);
  ids.insert(ids.end(), share.fresh.begin(), share.fresh.end());
  ids.insert(ids.end(), share.paired.begin(), share.paired.end());
  return share;
}

template <class Subject>
void pairs(Subject& subject, const Share& share, std::size_t batch) {
  for (std::size_t i = 0; i < share.paired.size(); i += batch) {
    const std::size_t count = std::min(batch, share.paired.size() - i);
    subject.track(Ids(share.paired).subspan(i, count), batch);
    subject.complete(Ids(share.victims).subspan(i, count), batch);
  }
}

struct Series {
  std::vector<double> cpu, wall;
  void add(const Cost& cost) {
    cpu.push_back(cost.cpu_ns);
    wall.push_back(cost.wall_ns);
  }
};

struct AllSeries {
  Series track, mark, complete, pair;
  void add(const Costs& costs) {
    track.add(costs.track);
    mark.add(costs.mark);
    complete.add(costs.complete);
    pair.add(costs.pair);
  }
};

void tell(const char* verb, const Load& load, const Series& ours, const Series& peer,
          Report& report) {
  const std::string how = load.batch == 1 ? ", single calls" : ", batches of 256";
  Line line{verb + how,  median(ours.cpu), median(peer.cpu), Plain::kName,
            "ns of CPU", load.threads,     load.live};
  if (load.threads > 1) {
    // Per thread: how long one of them waits for one operation of its own.
    line.ours = median(ours.wall) * load.threads;
    line.peer = median(peer.wall) * load.threads;
    line.unit = "ns of wall time";
  }
  report.add(line);
}

}  // namespace

Population::Population(std::size_t live, unsigned parts, std::uint64_t seed) {
  for (unsigned i = 0; i < parts; ++i) {
    parts_.push_back({{}, std::mt19937_64(seed + i), (std::uint64_t{i} + 1) << 48});
    parts_.back().ids = fresh(i, live / parts);
  }
}

std::vector<std::uint64_t> Population::fresh(unsigned number, std::size_t count) {
  std::vector<std::uint64_t> ids(count);
  for (auto& id : ids) id = parts_[number].next++;
  return ids;
}

std::size_t Population::size() const {
  std::size_t sum = 0;
  for (const Part& part : parts_) sum += part.ids.size();
  return sum;
}

template <class Subject>
Costs round(Subject& subject, Population& population, const Load& load) {
  const std::size_t each = load.operations / load.threads;
  std::vector<Share> shares;
  for (unsigned t = 0; t < load.threads; ++t) shares.push_back(share_of(population, t, each));
  const std::size_t count = each * load.threads;
  Costs costs;
  costs.track =
      timed(load.threads, count, [&](unsigned t) { subject.track(shares[t].fresh, load.batch); });
  costs.mark =
      timed(load.threads, count, [&](unsigned t) { subject.mark(shares[t].marked, load.batch); });
  costs.pair =
      timed(load.threads, count, [&](unsigned t) { pairs(subject, shares[t], load.batch); });
  for (unsigned t = 0; t < load.threads; ++t) {
    std::shuffle(shares[t].marked.begin(), shares[t].marked.end(), population.random(t));
  }
  costs.complete = timed(load.threads, count,
                         [&](unsigned t) { subject.complete(shares[t].marked, load.batch); });
  return costs;
}

void run_verbs(std::size_t live, std::size_t operations, unsigned rounds, std::uint64_t seed,
               Report& report) {
  Warden warden(2);
  Plain plain(2);
  Population ours(live, kParts, seed);
  Population peers(live, kParts, seed);
  for (unsigned part = 0; part < kParts; ++part) {
    warden.track(ours.part(part), kBatch);
    plain.track(peers.part(part), kBatch);
  }
  std::vector<Load> loads;
  for (const unsigned threads : {1u, 2u}) {
    for (const std::size_t batch : {std::size_t{1}, kBatch}) {
      // A round completes at most a fifth of the part of each thread.
      loads.push_back({live, threads, batch, std::min(operations, live / 10 * threads)});
    }
  }
  std::vector<AllSeries> our_series(loads.size());
  std::vector<AllSeries> peer_series(loads.size());
  for (unsigned r = 0; r < rounds; ++r) {
    for (std::size_t i = 0; i < loads.size(); ++i) {
      our_series[i].add(round(warden, ours, loads[i]));
      peer_series[i].add(round(plain, peers, loads[i]));
    }
  }
  // Check values: nobody has lost or invented an item.
  if (warden.live() != ours.size() || warden.timers() != ours.size()) {
    fail("warden: " + std::to_string(warden.live()) + " items and " +
         std::to_string(warden.timers()) + " timers, expected " + std::to_string(ours.size()));
  }
  if (plain.live() != peers.size()) fail("plain: wrong number of items at the end");
  for (std::size_t i = 0; i < loads.size(); ++i) {
    const AllSeries& a = our_series[i];
    const AllSeries& b = peer_series[i];
    tell("track", loads[i], a.track, b.track, report);
    tell("mark", loads[i], a.mark, b.mark, report);
    tell("complete", loads[i], a.complete, b.complete, report);
    tell("track + complete", loads[i], a.pair, b.pair, report);
  }
}

}  // namespace bench
