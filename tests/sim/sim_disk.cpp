// SPDX-License-Identifier: Apache-2.0
//
// Files, directory and queue of the simulated disk.
#include "sim_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace warden::sim {
namespace {

enum class Kind : std::uint8_t { segment, manifest, current };

Kind kind_of(const char* name) {
  if (std::strncmp(name, "wal-", 4) == 0) return Kind::segment;
  return std::strncmp(name, "MANIFEST-", 9) == 0 ? Kind::manifest : Kind::current;
}
constexpr Point kWrites[] = {Point::write_segment, Point::write_manifest, Point::write_current};
constexpr Point kFlushes[] = {Point::flush_segment, Point::flush_manifest, Point::flush_current};

class SimFile final : public io::File {
 public:
  SimFile(SimWorld& world, Kind kind, std::shared_ptr<Node> node)
      : world_(world), kind_(kind), node_(std::move(node)) {}

  std::int64_t read(void* to, std::size_t size, std::uint64_t offset) noexcept override {
    if (const int error = world_.enter(Point::read); error < 0) return error;
    if (offset >= node_->seen.size()) return 0;
    const std::size_t got = std::min<std::size_t>(size, node_->seen.size() - offset);
    std::memcpy(to, node_->seen.data() + offset, got);
    return static_cast<std::int64_t>(got);
  }

  std::int64_t write(const void* from, std::size_t size, std::uint64_t offset) noexcept override {
    const Exempt exempt;
    const int error = world_.enter(kWrites[static_cast<std::size_t>(kind_)]);
    if (error < 0) return error;
    const std::size_t index = begin(from, size, offset);
    return finish(index, size);
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
    if (result > 0 && grown != 0 && world_.used() + grown > world_.capacity) {
      result = world_.full_error;
    }
    if (result > 0 && world_.take_short()) {
      result = static_cast<std::int64_t>(world_.rng()() % (size / kSector + 1) * kSector);
    }
    if (result <= 0) {
      // Over, but part of it may have been done all the same.
      const bool none = result == world_.full_error || result == -EAGAIN || result == 0;
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
    if (const int error = world_.enter(kFlushes[static_cast<std::size_t>(kind_)]); error < 0) {
      return fail_flush(error, covered());
    }
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
      // There after all, or gone, or gone and shown by the cache until that is dropped.
      const std::uint64_t fate = world_.rng()() % 4;
      if (fate < 2) {
        put(node_->durable, write.offset, write.data.data(), write.data.size());
      } else if (fate == 2 && write.offset + write.data.size() <= node_->durable.size()) {
        put(node_->seen, write.offset, node_->durable.data() + write.offset, write.data.size());
      }
      write.data.clear();
    }
    return error;
  }

  void drop_cached() noexcept override {
    const Exempt exempt;
    const std::size_t size = node_->seen.size();
    node_->seen = node_->durable;
    node_->seen.resize(size);
    for (const Write& write : node_->unflushed) {
      if (write.completed) put(node_->seen, write.offset, write.data.data(), write.data.size());
    }
  }

  std::int64_t size() noexcept override {
    if (const int error = world_.enter_aside(Point::read); error < 0) return error;
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
  const Kind kind_;
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
    Operation operation{&target, tag, size, 0, false, world_.enter(Point::submit_segment), {}};
    if (operation.error == 0) operation.index = target.begin(from, size, offset);
    add(operation);
  }
  void flush(io::File& file, std::uint64_t tag) noexcept override {
    const Exempt exempt;
    auto& target = static_cast<SimFile&>(file);
    add({&target, tag, 0, 0, true, world_.enter(Point::flush_segment), target.covered()});
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
    const bool make = mode == io::Open::create || mode == io::Open::small;
    const int error = world_.enter(make ? Point::make_file : Point::open);
    if (error < 0) return error;
    auto found = world_.now().find(name);
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
    out = std::make_unique<SimFile>(world_, kind_of(name), found->second);
    return 0;
  }
  int rename(const char* from, const char* to) noexcept override {
    const Exempt exempt;
    const bool current = kind_of(to) == Kind::current;
    const int error = world_.enter(current ? Point::rename_current : Point::rename_segment);
    if (error < 0) return error;
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
    if (const int error = world_.enter(Point::unlink); error < 0) return error;
    if (world_.now().erase(name) == 0) return -ENOENT;
    world_.changed();
    return 0;
  }
  int sync() noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter(Point::sync_directory); error < 0) return error;
    world_.entries_synced();
    return 0;
  }
  int list(std::vector<std::string>& names) noexcept override {
    const Exempt exempt;
    if (const int error = world_.enter(Point::list); error < 0) return error;
    names.clear();
    for (const auto& [name, node] : world_.now()) names.push_back(name);
    return 0;
  }
  int lock(io::LockHolder& holder) noexcept override {
    holder = {};
    if (const int error = world_.enter_aside(Point::open); error < 0) return error;
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
    if (const int error = world_.enter_aside(Point::open); error < 0) return error;
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
    if (const int error = world_.enter_aside(Point::open); error < 0) return error;
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
