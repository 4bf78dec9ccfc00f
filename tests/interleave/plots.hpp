// SPDX-License-Identifier: Apache-2.0
//
// The races, each set up so that few steps decide it. Times stand just before edges:
// kEdge is the last tick before a slot of level 1 begins.
#pragma once

#include <utility>

#include "world.hpp"

namespace warden::interleave {

inline constexpr Tick kEdge = 0x1ff;
inline constexpr Tick kFarEdge = 0x1ffff;  // of level 2

template <class Policy>
struct Plots {
  using WorldT = World<Policy>;
  using Make = std::function<Plot<Policy>()>;

  static Plot<Policy> plot(std::unique_ptr<WorldT> world,
                           std::vector<std::function<void()>> bodies) {
    return {std::move(world), std::move(bodies)};
  }

  // A schedule for the tick that the keeper is about to fire.
  static Plot<Policy> schedule_into_closing_tick() {
    auto world = std::make_unique<WorldT>(10);
    WorldT* const w = world.get();
    return plot(std::move(world), {[w] { w->advance(11); }, [w] { w->schedule(11); }});
  }

  // The same while the hand jumps over several rounds, past empty slots.
  static Plot<Policy> schedule_behind_a_jump() {
    auto world = std::make_unique<WorldT>(10);
    WorldT* const w = world.get();
    return plot(std::move(world), {[w] { w->advance(10 + 3); }, [w] { w->schedule(12); }});
  }

  // A cancel against the firing of the same timer.
  static Plot<Policy> cancel_against_fire() {
    auto world = std::make_unique<WorldT>(10);
    WorldT* const w = world.get();
    const std::size_t timer = w->schedule(11);
    return plot(std::move(world), {[w] { w->advance(11); }, [w, timer] { w->cancel(timer); }});
  }

  // Two cancels of one timer while a third timer takes the node over.
  static Plot<Policy> stale_cancel_of_a_reused_node() {
    auto world = std::make_unique<WorldT>(10);
    WorldT* const w = world.get();
    const std::size_t timer = w->schedule(300);
    return plot(std::move(world), {[w] { w->advance(11); },
                                   [w, timer] {
                                     w->cancel(timer);
                                     w->schedule(310);
                                   },
                                   [w, timer] { w->cancel(timer); }});
  }

  // Two schedulers fill a chunk of one slot and install the next.
  static Plot<Policy> two_install_a_chunk() {
    auto world = std::make_unique<WorldT>(10);
    WorldT* const w = world.get();
    w->schedule(12);
    w->schedule(12);
    return plot(std::move(world),
                {[w] { w->advance(12); }, [w] { w->schedule(12); }, [w] { w->schedule(12); }});
  }

  // A schedule into a coarse slot that the keeper begins to cascade.
  static Plot<Policy> schedule_into_cascading_slot() {
    auto world = std::make_unique<WorldT>(kEdge - 1);
    WorldT* const w = world.get();
    w->schedule(kEdge + 7);
    return plot(std::move(world),
                {[w] { w->advance(kEdge + 1); }, [w] { w->schedule(kEdge + 5); }});
  }

  // The same over two levels at once.
  static Plot<Policy> schedule_at_the_far_edge() {
    auto world = std::make_unique<WorldT>(kFarEdge - 1);
    WorldT* const w = world.get();
    w->schedule(kFarEdge + 700);
    return plot(std::move(world),
                {[w] { w->advance(kFarEdge + 2); }, [w] { w->schedule(kFarEdge + 1); }});
  }

  // A scheduler stalls between claim and publish while the keeper goes far.
  static Plot<Policy> stall_between_claim_and_publish() {
    auto world = std::make_unique<WorldT>(kEdge - 200);
    WorldT* const w = world.get();
    return plot(std::move(world), {[w] {
                                     w->advance(kEdge + 1);
                                     w->advance(kEdge + 400);
                                   },
                                   [w] { w->schedule(kEdge + 2); }});
  }

  // Compaction of a slot against a schedule into it and a cancel in it.
  static Plot<Policy> sweep_against_schedule_and_cancel() {
    auto world = std::make_unique<WorldT>(10);
    WorldT* const w = world.get();
    const std::size_t keep = w->schedule(100);
    w->schedule(100);
    for (int i = 0; i < 5; ++i) w->cancel(w->schedule(100));
    return plot(std::move(world), {[w] { w->advance(10); }, [w] { w->schedule(100); },
                                   [w, keep] { w->cancel(keep); }});
  }

  // A cascade begun early against a schedule into the same slot.
  static Plot<Policy> early_cascade_against_schedule() {
    auto world = std::make_unique<WorldT>(kEdge - 2);
    WorldT* const w = world.get();
    for (Tick i = 0; i < 3; ++i) w->schedule(kEdge + 1 + 5 * i);
    return plot(std::move(world), {[w] {
                                     w->advance(kEdge - 1);
                                     w->advance(kEdge + 3);
                                   },
                                   [w] { w->schedule(kEdge + 2); }});
  }

  // The keeper lies down while a timer comes in.
  static Plot<Policy> sleep_against_schedule() {
    auto world = std::make_unique<WorldT>(10);
    WorldT* const w = world.get();
    w->schedule(5000);
    return plot(std::move(world), {[w] { w->sleep(); }, [w] { w->schedule(300); }});
  }

  // The same with two, of which only one installs the chunk.
  static Plot<Policy> sleep_against_two_schedules() {
    auto world = std::make_unique<WorldT>(10);
    WorldT* const w = world.get();
    return plot(std::move(world),
                {[w] { w->sleep(); }, [w] { w->schedule(40); }, [w] { w->schedule(40); }});
  }

  // Threads without caches: every pop and push goes to the shared stack.
  static Plot<Policy> shared_free_list() {
    auto world = std::make_unique<WorldT>(10);
    WorldT* const w = world.get();
    std::vector<std::size_t> made;
    for (int i = 0; i < 3; ++i) made.push_back(w->schedule(900));
    for (const std::size_t each : made) w->cancel(each);
    return plot(std::move(world), {[w] { w->schedule(901); },
                                   [w] {
                                     const std::size_t first = w->schedule(902);
                                     w->schedule(903);
                                     w->cancel(first);
                                   }});
  }

  // The keeper gives back the memory of free chunks while schedulers take chunks.
  static Plot<Policy> return_of_memory_against_schedule() {
    auto world = std::make_unique<WorldT>(10);
    WorldT* const w = world.get();
    for (Tick i = 1; i <= 17; ++i) w->schedule(10 + i);
    w->advance(27, 12);  // not to its end: that would give all back at once
    return plot(std::move(world), {[w] { w->advance(28); }, [w] { w->schedule(300); }});
  }

  // max_work of one entry, callers between the pieces.
  static Plot<Policy> pieces_of_one_entry() {
    auto world = std::make_unique<WorldT>(kEdge - 1);
    WorldT* const w = world.get();
    const std::size_t timer = w->schedule(kEdge + 1);
    w->schedule(kEdge + 1);
    w->schedule(kEdge + 4);
    return plot(std::move(world), {[w] { w->advance(kEdge + 2, 1); },
                                   [w, timer] {
                                     w->cancel(timer);
                                     w->schedule(kEdge + 1);
                                   }});
  }
};

template <class Policy>
struct Named {
  const char* name;
  typename Plots<Policy>::Make make;
};

template <class Policy>
std::vector<Named<Policy>> all_plots() {
  using P = Plots<Policy>;
  return {{"schedule_into_closing_tick", P::schedule_into_closing_tick},
          {"schedule_behind_a_jump", P::schedule_behind_a_jump},
          {"cancel_against_fire", P::cancel_against_fire},
          {"stale_cancel_of_a_reused_node", P::stale_cancel_of_a_reused_node},
          {"two_install_a_chunk", P::two_install_a_chunk},
          {"schedule_into_cascading_slot", P::schedule_into_cascading_slot},
          {"schedule_at_the_far_edge", P::schedule_at_the_far_edge},
          {"stall_between_claim_and_publish", P::stall_between_claim_and_publish},
          {"sweep_against_schedule_and_cancel", P::sweep_against_schedule_and_cancel},
          {"early_cascade_against_schedule", P::early_cascade_against_schedule},
          {"sleep_against_schedule", P::sleep_against_schedule},
          {"sleep_against_two_schedules", P::sleep_against_two_schedules},
          {"shared_free_list", P::shared_free_list},
          {"return_of_memory_against_schedule", P::return_of_memory_against_schedule},
          {"pieces_of_one_entry", P::pieces_of_one_entry}};
}

}  // namespace warden::interleave
