// SPDX-License-Identifier: Apache-2.0
//
// Files, queue and crash of the simulated disk.
#include "sim_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace warden::sim {
namespace {

void put(std::string& image, std::uint64_t offset, const char* data, std::size_t size) {
  if (size == 0) return;
  if (image.size() < offset + size) image.resize(offset + size);
  std::memcpy(image.data() + offset, data, size);
}

}  // namespace

// -------------------------------------------------------------------- SimWorld
int SimWorld::enter() {
  if (crashed_) return -EIO;
  ++operations_;
  if (crash_at != 0 && operations_ >= crash_at) {
    crashed_ = true;
    return -EIO;
  }
  const bool again = fail_sticky && operations_ > fail_at && operations_ - fail_at < fail_for;
  if (fail_at != 0 && (operations_ == fail_at || again)) {
    if (fail_with == 0) short_next_ = true;
    return fail_with;
  }
  return 0;
}

bool SimWorld::take_short() {
  const bool injected = short_next_;
  short_next_ = false;
  return injected || chance(faults.short_write);
}

std::uint64_t SimWorld::used() const {
  std::uint64_t sum = 0;
  for (const auto& [name, node] : now_) sum += node->seen.size();
  return sum;
}

std::size_t SimWorld::unflushed() const {
  std::size_t sum = 0;
  for (const auto& [name, node] : now_) sum += node->unflushed.size();
  return sum;
}

void SimWorld::entries_synced() {
  durable_ = now_;
  changes_.clear();
}

void SimWorld::restart(const std::function<bool(std::size_t, std::size_t)>& keep,
                       std::size_t entries) {
  std::size_t index = 0;
  std::vector<std::shared_ptr<Node>> nodes;
  const auto collect = [&](const Directory& from) {
    for (const auto& [name, node] : from) {
      if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
    }
  };
  collect(now_);
  for (const Directory& change : changes_) collect(change);
  collect(durable_);
  for (const auto& node : nodes) {
    for (const Write& write : node->unflushed) {
      for (std::size_t at = 0; at < write.data.size(); at += kSector) {
        if (!keep(index, at / kSector)) continue;
        put(node->durable, write.offset + at, write.data.data() + at,
            std::min(kSector, write.data.size() - at));
      }
      ++index;
    }
    node->unflushed.clear();
    node->seen = node->durable;
  }
  if (entries != 0) durable_ = changes_[entries - 1];
  now_ = durable_;
  changes_.clear();
  operations_ = 0;
  crashed_ = false;
  crash_at = 0;
  fail_at = 0;
  short_next_ = false;
  locked = false;
}

void SimWorld::restart_at_random() {
  // How cruel this crash is: nothing, everything, whole writes, or single sectors.
  const unsigned mood = static_cast<unsigned>(rng_() % 5);
  std::map<std::size_t, bool> whole;
  const auto keep = [&](std::size_t write, std::size_t) {
    if (mood == 0) return false;
    if (mood == 1) return true;
    if (mood == 2) return whole.try_emplace(write, rng_() % 2 == 0).first->second;
    if (mood == 3) return rng_() % 8 != 0;
    return rng_() % 2 == 0;
  };
  restart(keep, rng_() % (changes_.size() + 1));
}

void SimWorld::restart_after_kill() {
  // What was submitted goes on to the disk; what was completed is seen in any case.
  // Durable it becomes by a flush only, or by luck at the next crash.
  for (auto& [name, node] : now_) {
    for (Write& write : node->unflushed) {
      if (write.completed) continue;
      write.completed = true;
      put(node->seen, write.offset, write.data.data(), write.data.size());
    }
  }
  crashed_ = false;
  operations_ = 0;
  crash_at = 0;
  fail_at = 0;
  short_next_ = false;
  locked = false;
}

std::unique_ptr<SimWorld> SimWorld::clone(std::uint64_t seed) const {
  auto copy = std::make_unique<SimWorld>(seed);
  std::map<const Node*, std::shared_ptr<Node>> twins;
  const auto twin = [&](const Directory& from) {
    Directory out;
    for (const auto& [name, node] : from) {
      auto& made = twins[node.get()];
      if (!made) made = std::make_shared<Node>(*node);
      out[name] = made;
    }
    return out;
  };
  copy->now_ = twin(now_);
  copy->durable_ = twin(durable_);
  for (const Directory& change : changes_) copy->changes_.push_back(twin(change));
  copy->crashed_ = crashed_;
  return copy;
}

// --------------------------------------------------------------------- SimDisk
namespace {

class SimFile final : public io::File {
 public:
  SimFile(SimWorld& world, std::shared_ptr<Node> node) : world_(world), node_(std::move(node)) {}

  std::int64_t read(void* to, std::size_t size, std::uint64_t offset) noexcept override {
    if (const int error = world_.enter(); error < 0) return error;
    if (offset >= node_->seen.size()) return 0;
    const std::size_t got = std::min<std::size_t>(size, node_->seen.size() - offset);
    std::memcpy(to, node_->seen.data() + offset, got);
    return static_cast<std::int64_t>(got);
  }

  std::int64_t write(const void* from, std::size_t size, std::uint64_t offset) noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter(); error < 0) return error;
    return finish(begin(from, size, offset), size);
  }

  // Submitted: from now on it may reach the platters.
  std::size_t begin(const void* from, std::size_t size, std::uint64_t offset) {
    node_->unflushed.push_back({offset, std::string(static_cast<const char*>(from), size), false});
    return node_->unflushed.size() - 1;
  }

  // Completed, with its faults. By position, since completions come in any order.
  std::int64_t finish(std::size_t index, std::size_t size) {
    Write& write = node_->unflushed[index];
    std::int64_t result = static_cast<std::int64_t>(size);
    const std::uint64_t grown =
        write.offset + size > node_->seen.size() ? write.offset + size - node_->seen.size() : 0;
    if (world_.chance(world_.faults.again)) result = -EAGAIN;
    if (world_.chance(world_.faults.interrupted)) result = -EINTR;
    if (world_.chance(world_.faults.write_error)) result = -EIO;
    if (result > 0 && grown != 0 && world_.used() + grown > world_.capacity) result = -ENOSPC;
    if (result > 0 && world_.take_short()) {
      result = static_cast<std::int64_t>(world_.rng()() % (size / kSector + 1) * kSector);
    }
    if (result <= 0) {
      // Over, but part of it may have been done all the same.
      const bool none = result == -ENOSPC || result == -EAGAIN || result == 0;
      write.data.resize(none ? 0 : world_.rng()() % (size / kSector + 1) * kSector);
      write.completed = true;
      put(node_->seen, write.offset, write.data.data(), write.data.size());
      return result;
    }
    write.data.resize(static_cast<std::size_t>(result));
    write.completed = true;
    put(node_->seen, write.offset, write.data.data(), write.data.size());
    return result;
  }

  int sync_data() noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter(); error < 0) return fail_flush(error, covered());
    return flush(covered());
  }

  // The writes that are complete now, by position.
  std::vector<std::size_t> covered() const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < node_->unflushed.size(); ++i) {
      if (node_->unflushed[i].completed) out.push_back(i);
    }
    return out;
  }

  int flush(const std::vector<std::size_t>& which) {
    if (world_.chance(world_.faults.flush_error)) return fail_flush(-EIO, which);
    for (const std::size_t i : which) {
      Write& write = node_->unflushed[i];
      put(node_->durable, write.offset, write.data.data(), write.data.size());
      write.data.clear();
    }
    trim();
    return 0;
  }

  int fail_flush(int error, const std::vector<std::size_t>& which) {
    if (world_.crashed()) return error;
    for (const std::size_t i : which) {
      Write& write = node_->unflushed[i];
      if (world_.rng()() % 2 == 0) {
        put(node_->durable, write.offset, write.data.data(), write.data.size());
      } else if (write.offset + write.data.size() <= node_->durable.size()) {
        put(node_->seen, write.offset, node_->durable.data() + write.offset, write.data.size());
      }
      write.data.clear();
    }
    return error;
  }

  std::int64_t size() noexcept override {
    if (const int error = world_.enter_aside(); error < 0) return error;
    return static_cast<std::int64_t>(node_->seen.size());
  }

 private:
  // Positions in flight must stay, so only an all-flushed list is emptied.
  void trim() {
    for (const Write& write : node_->unflushed) {
      if (!write.data.empty() || !write.completed) return;
    }
    if (in_flight == 0) node_->unflushed.clear();
  }

  SimWorld& world_;
  std::shared_ptr<Node> node_;

 public:
  unsigned in_flight = 0;  // operations of a queue on this handle
};

class SimQueue final : public io::Queue {
 public:
  SimQueue(SimWorld& world, io::ManualClock& clock, unsigned depth)
      : world_(world), clock_(clock), depth_(depth) {}

  int attach() noexcept override { return 0; }
  void write(io::File& file, const void* from, std::size_t size, std::uint64_t offset,
             std::uint64_t tag) noexcept override {
    const Exempt exempt;
    auto& target = static_cast<SimFile&>(file);
    Operation operation{&target, tag, size, 0, false, world_.enter(), {}};
    if (operation.error == 0) operation.index = target.begin(from, size, offset);
    add(operation);
  }
  void flush(io::File& file, std::uint64_t tag) noexcept override {
    const Exempt exempt;
    auto& target = static_cast<SimFile&>(file);
    add({&target, tag, 0, 0, true, world_.enter(), target.covered()});
  }

  std::size_t reap(io::Completion* out, std::size_t max) noexcept override {
    const std::size_t count = std::min(max, done_.size());
    std::copy_n(done_.begin(), count, out);
    done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }

  void wait(Nanos timeout) noexcept override {
    const Exempt exempt;
    if (timeout == 0) {
      // Now and then something is complete by the time it is submitted.
      if (!operations_.empty() && world_.rng()() % 3 == 0) run_one();
      return;
    }
    if (!done_.empty()) return;
    if (operations_.empty()) {
      if (timeout != kNever) clock_.advance(timeout);
      return;
    }
    std::size_t count = 1 + world_.rng()() % operations_.size();
    while (count-- != 0) run_one();
    clock_.advance(50 * kMicro);
  }

  void wake() noexcept override {}
  const char* name() const noexcept override { return "simulated"; }

 private:
  struct Operation {
    SimFile* file;
    std::uint64_t tag;
    std::size_t size;
    std::size_t index;
    bool is_flush;
    int error;
    std::vector<std::size_t> covered;
  };

  void add(Operation operation) {
    if (operations_.size() >= depth_) std::abort();
    ++operation.file->in_flight;
    operations_.push_back(std::move(operation));
  }

  void run_one() {
    const std::size_t pick = world_.rng()() % operations_.size();
    Operation operation = operations_[pick];
    operations_.erase(operations_.begin() + static_cast<std::ptrdiff_t>(pick));
    std::int64_t result = operation.error;
    --operation.file->in_flight;
    if (world_.crashed()) {
      result = -EIO;
    } else if (operation.is_flush) {
      result = operation.error < 0 ? operation.file->fail_flush(operation.error, operation.covered)
                                   : operation.file->flush(operation.covered);
    } else if (operation.error == 0) {
      result = operation.file->finish(operation.index, operation.size);
    }
    done_.push_back({operation.tag, result});
  }

  SimWorld& world_;
  io::ManualClock& clock_;
  unsigned depth_;
  std::vector<Operation> operations_;
  std::vector<io::Completion> done_;
};

class SimDir final : public io::Dir {
 public:
  SimDir(SimWorld& world, io::ManualClock& clock) : world_(world), clock_(clock) {}
  ~SimDir() override { SimDir::unlock(); }

  int open(const char* name, io::Open mode, std::unique_ptr<io::File>& out) noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter(); error < 0) return error;
    auto found = world_.now().find(name);
    const bool make = mode == io::Open::create || mode == io::Open::small;
    if (found == world_.now().end() && !make) return -ENOENT;
    if (found != world_.now().end() && mode == io::Open::create) return -EEXIST;
    if (found == world_.now().end()) {
      found = world_.now().emplace(name, std::make_shared<Node>()).first;
      world_.changed();
    } else if (mode == io::Open::small) {
      // Truncation: a fresh file under the old name, which a crash may undo.
      found->second = std::make_shared<Node>();
      world_.changed();
    }
    out = std::make_unique<SimFile>(world_, found->second);
    return 0;
  }
  int rename(const char* from, const char* to) noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter(); error < 0) return error;
    const auto found = world_.now().find(from);
    if (found == world_.now().end()) return -ENOENT;
    const auto node = found->second;
    world_.now().erase(found);
    world_.now()[to] = node;
    world_.changed();
    return 0;
  }
  int unlink(const char* name) noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter(); error < 0) return error;
    if (world_.now().erase(name) == 0) return -ENOENT;
    world_.changed();
    return 0;
  }
  int sync() noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter(); error < 0) return error;
    world_.entries_synced();
    return 0;
  }
  int list(std::vector<std::string>& names) noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter(); error < 0) return error;
    names.clear();
    for (const auto& [name, node] : world_.now()) names.push_back(name);
    return 0;
  }
  int lock(std::int64_t& holder) noexcept override {
    holder = 0;
    if (const int error = world_.enter_aside(); error < 0) return error;
    if (world_.locked) return -EWOULDBLOCK;
    world_.locked = true;
    mine_ = true;
    return 0;
  }
  int locked() noexcept override { return world_.locked ? 1 : 0; }
  void unlock() noexcept override {
    if (mine_) world_.locked = false;
    mine_ = false;
  }
  int make_queue(unsigned depth, std::unique_ptr<io::Queue>& out, std::string&) noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter_aside(); error < 0) return error;
    out = std::make_unique<SimQueue>(world_, clock_, depth);
    return 0;
  }

 private:
  SimWorld& world_;
  io::ManualClock& clock_;
  bool mine_ = false;
};

class SimDisk final : public io::Disk {
 public:
  SimDisk(SimWorld& world, io::ManualClock& clock) : world_(world), clock_(clock) {}
  int open_dir(const char*, bool, std::unique_ptr<io::Dir>& out) noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter_aside(); error < 0) return error;
    out = std::make_unique<SimDir>(world_, clock_);
    return 0;
  }

 private:
  SimWorld& world_;
  io::ManualClock& clock_;
};

}  // namespace

std::unique_ptr<io::Disk> make_sim_disk(SimWorld& world, io::ManualClock& clock) {
  return std::make_unique<SimDisk>(world, clock);
}

}  // namespace warden::sim
