// SPDX-License-Identifier: Apache-2.0
//
// A disk in memory that behaves as badly as a real one may: completions in any
// order, short and interrupted writes, errors, a limit of space, and at a crash any
// subset of the sectors not yet flushed, and any prefix of the changes to the
// directory not yet synced. One seed, one behaviour.
//
//   SimWorld  what survives: files and the directory; counts operations
//   SimDisk   io::Disk over it, for production code that runs unchanged
//
// Invariants
// 1. A flush makes durable exactly what had completed when it was submitted; more
//    may happen to be.
// 2. From the crash on every operation answers -EIO and changes nothing, until
//    restart() has made what survived the new truth.
// 3. After a failed flush what it covered is kept or lost, at random; the next
//    flush answers 0, as the kernel's does.
#pragma once

#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "io/clock.hpp"
#include "io/disk.hpp"

namespace warden::sim {

using Rng = std::mt19937_64;
inline constexpr std::size_t kSector = 512;

// What an operation is, to tell where crashes hit.
enum class Point : std::uint8_t {
  list,
  open,
  read,
  make_file,
  write_segment,   // synchronous: zeros of the first one
  submit_segment,  // asynchronous: blocks, headers, zeros
  flush_segment,
  write_manifest,
  flush_manifest,
  write_current,
  flush_current,
  rename_current,
  rename_segment,
  unlink,
  sync_directory,
  count,
};
inline constexpr std::size_t kPoints = static_cast<std::size_t>(Point::count);
const char* name_of(Point point);

// What became of the unflushed writes at crashes.
struct Fates {
  std::uint64_t kept = 0;
  std::uint64_t lost = 0;
  std::uint64_t torn = 0;  // some sectors of it
};

struct Write {
  std::uint64_t offset = 0;
  std::string data;
  bool completed = false;
};

struct Node {
  std::string durable;           // what is on the platters
  std::string seen;              // what a read gives
  std::vector<Write> unflushed;  // in order of submission
};

using Directory = std::map<std::string, std::shared_ptr<Node>>;

// Memory that the simulation itself takes is never to fail: a test that lets
// allocations fail leaves out those made while an Exempt lives.
inline thread_local int exemptions = 0;
struct Exempt {
  Exempt() { ++exemptions; }
  ~Exempt() { --exemptions; }
  Exempt(const Exempt&) = delete;
  Exempt& operator=(const Exempt&) = delete;
};

// And back, for a call of what is tested out of a test that is exempt as a whole.
struct NotExempt {
  NotExempt() : before(exemptions) { exemptions = 0; }
  ~NotExempt() { exemptions = before; }
  NotExempt(const NotExempt&) = delete;
  NotExempt& operator=(const NotExempt&) = delete;
  const int before;
};

// Faults that an operation may meet; each a chance in 1,000.
struct Faults {
  unsigned short_write = 0;
  unsigned again = 0;
  unsigned interrupted = 0;
  unsigned write_error = 0;
  unsigned flush_error = 0;
};

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed) : rng_(seed) {}

  Rng& rng() { return rng_; }
  bool chance(unsigned in_thousand) { return rng_() % 1000 < in_thousand; }

  // ---- the driver's side
  Faults faults;
  std::uint64_t capacity = ~std::uint64_t{0};  // bytes of all files together
  int full_error = -ENOSPC;                    // what is answered beyond; -EDQUOT: by a quota
  // Crash before the operation of this number, counted from restart(); 0: never.
  std::uint64_t crash_at = 0;
  // Answers this instead of doing the operation of this number; once, or from then on.
  std::uint64_t fail_at = 0;
  int fail_with = 0;  // -errno; 0: a short write
  bool fail_sticky = false;
  std::uint64_t fail_for = ~std::uint64_t{0};  // sticky: so many operations, then well again
  // Count, and let fail, also opening and locking the directory and making a queue.
  bool count_all = false;

  std::uint64_t operations() const { return operations_; }
  bool crashed() const { return crashed_; }
  void crash() { crashed_ = true; }
  void revive() { crashed_ = false; }
  // Unflushed writes and changes of the directory at present.
  std::size_t unflushed() const;
  std::size_t unsynced_entries() const { return changes_.size(); }
  // The power comes back. `keep` says of each sector of each unflushed write, by
  // write and sector, whether it survived; `entries`: how many changes of the
  // directory did.
  void restart(const std::function<bool(std::size_t, std::size_t)>& keep, std::size_t entries);
  void restart_at_random();
  // The process died, the machine did not: everything submitted is there.
  void restart_after_kill();
  std::unique_ptr<SimWorld> clone(std::uint64_t seed) const;
  std::uint64_t used() const;
  // Of everything that the next opening will find.
  std::uint64_t state_hash() const;
  // Where crash_at struck; `count` if it did not.
  Point crash_point() const { return crash_point_; }
  const Fates& fates() const { return fates_; }

  // ---- the disk's side
  // Counts an operation; 0, or the error that it is to answer.
  int enter(Point point);
  // The same for one that is counted on demand only.
  int enter_aside(Point point) { return count_all ? enter(point) : crashed_ ? -EIO : 0; }
  bool take_short();
  Directory& now() { return now_; }
  void changed() { changes_.push_back(now_); }
  void entries_synced();
  bool locked = false;

 private:
  void begin_anew();

  Rng rng_;
  Directory now_;
  Directory durable_;
  std::vector<Directory> changes_;  // the directory after each unsynced change
  std::uint64_t operations_ = 0;
  bool crashed_ = false;
  Point crash_point_ = Point::count;
  Fates fates_;
  bool short_next_ = false;
};

// Writes into the image of a file, which grows if need be.
void put(std::string& image, std::uint64_t offset, const char* data, std::size_t size);
std::unique_ptr<io::Disk> make_sim_disk(SimWorld& world, io::ManualClock& clock);

}  // namespace warden::sim
