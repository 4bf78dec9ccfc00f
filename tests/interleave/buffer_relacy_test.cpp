// SPDX-License-Identifier: Apache-2.0
//
// The log's buffer and doorbell under Relacy's memory model, with stale loads, which the
// explorer here does not have. A scribe and two threads with two records each, in a ring
// with credit for two: so they wrap, and sleep for want of room. Relacy reports a plain
// access that races, a thread that sleeps for ever (deadlock), or what is asserted here.
// Then the same with one bug at a time, which it must report as what it is.
//   buffer_relacy_test [executions]
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "relacy_atomic.hpp"

namespace warden::interleave {
namespace {

using log::Pool;

// A record's words: its first one, head and content, all told by its position.
constexpr std::uint32_t kContent = 4;
constexpr std::size_t kRecord = log::record_bytes(kContent);

template <class Policy, class Bell, rl::test_result_e result>
struct Model : rl::test_suite<Model<Policy, Bell, result>, 3, result> {
  static constexpr std::uint64_t kRecords = 4;

  ModelBuffer::Memory memory;
  log::BasicBuffer<ModelAtomic, Policy> buffer;
  log::BasicDoorbell<ModelAtomic, Bell> bell;
  ModelAtomic<std::uint32_t> woken;  // the queue's: kept until the next wait

  void before() {
    ModelBuffer::memory() = &memory;
    buffer.init(ModelBuffer::kRing);
    buffer.start_at(kStart);
  }
  void after() {
    RL_ASSERT(buffer.tail() == kStart + kRecords * kRecord);
    RL_ASSERT(buffer.taken() == 0);
  }
  void thread(unsigned index) {
    if (index == 0) {
      scribe();
    } else {
      for (std::uint64_t i = 0; i < kRecords / 2; ++i) put();
    }
  }

 private:
  static constexpr std::uint64_t kStart = 48;  // the first record wraps

  static log::RecordHead head_of(std::uint64_t position) {
    const auto mark = static_cast<std::uint32_t>(position) + 1000;
    return {log::make_word(log::RecordType::state, 0, kContent), mark, mark + 1, mark + 2,
            mark + 3};
  }
  void ring() {
    bell.ring([this] {
      woken.store(1);
      woken.wake_all();
    });
  }
  void put() {
    while (!buffer.take_if(Pool::callers, kRecord, [](std::uint64_t) { return true; })) {
      ring();
      buffer.wait_credit(Pool::callers, kRecord, [] { return false; });
    }
    const std::uint64_t position = buffer.claim(kRecord);
    const log::RecordHead head = head_of(position);
    buffer.copy_in(position + log::kRecordHeadBytes, &head.sum_high, kContent);
    buffer.publish(position, head);
    ring();
  }
  void scribe() {
    std::uint64_t read = kStart;
    const std::uint64_t all = kStart + kRecords * kRecord;
    while (read != all) {
      if (buffer.published(read)) {
        log::RecordHead head;
        std::uint32_t content = 0;
        buffer.copy_out(read + 4, &head.incarnation_low, sizeof head - 4);
        buffer.copy_out(read + log::kRecordHeadBytes, &content, kContent);
        head.word = buffer.peek(read);
        const log::RecordHead want = head_of(read);
        RL_ASSERT(std::memcmp(&head, &want, sizeof head) == 0);
        RL_ASSERT(content == want.sum_high);
        buffer.free(read, kRecord, 0);
        read += kRecord;
        continue;
      }
      bell.sleep([&] { return buffer.published(read); },
                 [this] {
                   while (woken.exchange(0) == 0) woken.sleep_while(0);
                 });
    }
  }
};

// Credit that comes back while another thread lies down for want of the room it takes.
template <class Policy, class, rl::test_result_e result>
struct Room : rl::test_suite<Room<Policy, log::DoorbellPolicy, result>, 2, result> {
  ModelBuffer::Memory memory;
  log::BasicBuffer<ModelAtomic, Policy> buffer;

  void before() {
    ModelBuffer::memory() = &memory;
    buffer.init(ModelBuffer::kRing);
  }
  void after() { RL_ASSERT(buffer.taken() == 0); }
  void thread(unsigned) {
    const auto fits = [](std::uint64_t taken) { return taken <= kRecord; };
    while (!buffer.take_if(Pool::callers, kRecord, fits)) {
      buffer.wait_word([this] { return buffer.taken() == 0; });
    }
    buffer.give_back(Pool::callers, kRecord);
  }
};

int g_wrong = 0;

// Random executions; what is expected of the correct code is that all succeed, of a
// planted bug that one ends as `result` says.
template <template <class, class, rl::test_result_e> class Suite, class Policy, class Bell,
          rl::test_result_e result>
void simulate(const char* name, rl::iteration_t executions) {
  std::ostream nowhere(nullptr);
  std::ostream& text = result == rl::test_result_success ? std::cout : nowhere;
  rl::test_params params;
  params.iteration_count = executions;
  params.search_type = rl::random_scheduler_type;
  params.execution_depth_limit = 20'000;
  params.output_stream = &text;
  params.progress_stream = &text;
  const bool as_expected = rl::simulate<Suite<Policy, Bell, result>>(params);
  std::printf("%s: %s, after %llu executions\n", name, rl::test_result_str(params.test_result),
              static_cast<unsigned long long>(params.stop_iteration));
  if (as_expected) return;
  ++g_wrong;
}

struct RelaxedTake : ModelBuffer {
  static constexpr bool kBugRelaxedTake = true;
};
struct RelaxedClaim : ModelBuffer {
  static constexpr bool kBugRelaxedClaim = true;
};
struct RelaxedPublish : ModelBuffer {
  static constexpr bool kBugRelaxedPublish = true;
};
struct ReleasePublish : ModelBuffer {
  static constexpr bool kBugReleasePublish = true;
};
struct RelaxedCredit : ModelBuffer {
  static constexpr bool kBugRelaxedCredit = true;
};
struct AcquireTaken : ModelBuffer {
  static constexpr bool kBugAcquireTaken = true;
};
struct TailFirst : ModelBuffer {
  static constexpr bool kBugTailFirst = true;
};
struct LookBeforeSaying : log::DoorbellPolicy {
  static constexpr bool kBugLookBeforeSaying = true;
};

struct ReleaseSaying : log::DoorbellPolicy {
  static constexpr bool kBugReleaseSaying = true;
};

}  // namespace
}  // namespace warden::interleave

int main(int argc, char** argv) {
  using namespace warden::interleave;
  using Bell = warden::log::DoorbellPolicy;
  const rl::iteration_t executions = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
  simulate<Model, ModelBuffer, Bell, rl::test_result_success>("as it is", executions);
  simulate<Model, RelaxedTake, Bell, rl::test_result_data_race>("relaxed take", executions);
  simulate<Model, RelaxedClaim, Bell, rl::test_result_data_race>("relaxed claim", executions);
  simulate<Model, ReleasePublish, Bell, rl::test_result_deadlock>("release publish", executions);
  simulate<Model, ModelBuffer, ReleaseSaying, rl::test_result_deadlock>("release saying",
                                                                        executions);
  simulate<Model, RelaxedPublish, Bell, rl::test_result_data_race>("relaxed publish", executions);
  simulate<Model, RelaxedCredit, Bell, rl::test_result_data_race>("relaxed credit", executions);
  simulate<Model, TailFirst, Bell, rl::test_result_deadlock>("tail first", executions);
  simulate<Model, ModelBuffer, LookBeforeSaying, rl::test_result_deadlock>("look before saying",
                                                                           executions);
  simulate<Room, ModelBuffer, Bell, rl::test_result_success>("room", executions);
  simulate<Room, AcquireTaken, Bell, rl::test_result_deadlock>("acquire taken", executions);
  return g_wrong == 0 ? 0 : 1;
}
