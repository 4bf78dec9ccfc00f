// SPDX-License-Identifier: Apache-2.0
//
// The races of the log's buffer, each set up so that few steps decide it. A ring of 64
// bytes has credit for two records of 24; where a plot says "wrap", the first record
// begins 16 bytes before the ring's end.
#pragma once

#include <utility>

#include "buffer_world.hpp"

namespace warden::interleave {

template <class Policy, class Bell = log::DoorbellPolicy>
struct BufferPlots {
  using World = BufferWorld<Policy, Bell>;
  using Credit = typename World::Credit;
  using PlotT = BufferPlot<World>;
  using Make = std::function<PlotT()>;
  static constexpr std::size_t kWant = World::kWant;
  static constexpr std::size_t kRecord = World::kRecord;

  static PlotT plot(std::unique_ptr<World> world, std::vector<std::function<void()>> bodies) {
    return {std::move(world), std::move(bodies)};
  }

  // The scribe lies down while a record comes in.
  static PlotT sleep_against_publish() {
    auto world = std::make_unique<World>(64);
    World* const w = world.get();
    return plot(std::move(world), {[w] { w->scribe(); }, [w] { w->put(); }});
  }

  // The same while a block is in flight, so that the scribe looks without a lock.
  static PlotT sleep_in_flight_against_publish() {
    auto world = std::make_unique<World>(64);
    World* const w = world.get();
    return plot(std::move(world), {[w] { w->scribe(true); }, [w] { w->put(); }});
  }

  // The clerk comes back meanwhile, and the scribe is asked to end.
  static PlotT sleep_against_errand_and_stop() {
    auto world = std::make_unique<World>(64);
    World* const w = world.get();
    w->begin_errand();
    return plot(std::move(world), {[w] { w->scribe(); }, [w] { w->end_errand(); },
                                   [w] {
                                     w->put();
                                     w->stop();
                                   }});
  }

  // Two records whose claims and publications may come in either order.
  static PlotT two_publish() {
    auto world = std::make_unique<World>(128);
    World* const w = world.get();
    return plot(std::move(world), {[w] { w->scribe(); }, [w] { w->put(); }, [w] { w->put(); }});
  }

  // More records than there is credit for, over the ring's end: the taker sleeps.
  static PlotT want_of_room_at_the_wrap() {
    auto world = std::make_unique<World>(64, 48);
    World* const w = world.get();
    return plot(std::move(world), {[w] { w->scribe(); },
                                   [w] {
                                     w->put();
                                     w->put();
                                     w->put();
                                   }});
  }

  // Two want the room of one.
  static PlotT two_want_room() {
    auto world = std::make_unique<World>(64, 48);
    World* const w = world.get();
    return plot(std::move(world), {[w] { w->scribe(); },
                                   [w] {
                                     w->put();
                                     w->put();
                                   },
                                   [w] { w->put(); }});
  }

  // A claim given up, in the middle of others'.
  static PlotT abandon_among_others() {
    auto world = std::make_unique<World>(128, 112);
    World* const w = world.get();
    return plot(std::move(world), {[w] { w->scribe(); },
                                   [w] {
                                     Credit credit;
                                     w->reserve(credit, 2 * kWant);
                                     w->append(credit);
                                     w->abandon(credit);
                                     w->release(credit);
                                   },
                                   [w] { w->put(); }});
  }

  // Credit that was not used comes back while another one lies down for want of it.
  static PlotT unused_credit_against_want() {
    auto world = std::make_unique<World>(64);
    World* const w = world.get();
    const auto both = [w] { w->hold(2 * kWant); };
    return plot(std::move(world), {[w] { w->scribe(); }, both, both});
  }

  // A record whose caller leaves the waking to its wait; another one wants the room.
  static PlotT left_to_the_wait_against_want() {
    auto world = std::make_unique<World>(64);
    World* const w = world.get();
    return plot(std::move(world),
                {[w] { w->scribe(); }, [w] { w->put_durable(); }, [w] { w->hold(2 * kWant); }});
  }

  // Who waits commits for itself, while another's record comes in and the scribe looks.
  static PlotT inline_commit_against_publish() {
    auto world = std::make_unique<World>(128);
    World* const w = world.get();
    return plot(std::move(world),
                {[w] { w->scribe(); }, [w] { w->put_durable(); }, [w] { w->put(); }});
  }

  // Two wait for durability.
  static PlotT two_wait() {
    auto world = std::make_unique<World>(128);
    World* const w = world.get();
    return plot(std::move(world),
                {[w] { w->scribe(); }, [w] { w->put_durable(); }, [w] { w->put_durable(); }});
  }

  // Reservations held up are let go while one lies down.
  static PlotT end_of_a_hold_up() {
    auto world = std::make_unique<World>(64);
    World* const w = world.get();
    return plot(std::move(world), {[w] { w->scribe(); },
                                   [w] {
                                     w->hold_up(true);
                                     w->hold_up(false);
                                   },
                                   [w] { w->put(); }});
  }

  // The cleaner's pool beside the callers', freed together.
  static PlotT two_pools() {
    auto world = std::make_unique<World>(256, 240);
    World* const w = world.get();
    return plot(std::move(world), {[w] { w->scribe(); },
                                   [w] {
                                     Credit credit;
                                     if (!w->reserve(credit, kWant, false, Pool::cleaner)) return;
                                     w->append(credit);
                                     w->release(credit);
                                   },
                                   [w] { w->put(); }});
  }

  // A disk that fills up: three ask for what is left, and two of them fit.
  static PlotT admission_to_the_last_room() {
    auto world = std::make_unique<World>(128, 0, 2 * kWant);
    World* const w = world.get();
    const auto ask = [w] { w->hold(kWant, false); };
    return plot(std::move(world), {ask, ask, ask});
  }

  // The same from both pools, of which one alone fits.
  static PlotT admission_from_both_pools() {
    auto world = std::make_unique<World>(256, 0, kWant + 20);
    World* const w = world.get();
    return plot(std::move(world), {[w] { w->hold(kWant, false, Pool::callers); },
                                   [w] { w->hold(kWant, false, Pool::cleaner); }});
  }

  // What is asked for while a block takes of the room and gives the credit back.
  static PlotT admission_against_a_block() {
    auto world = std::make_unique<World>(128, 0, 2 * kWant);
    World* const w = world.get();
    return plot(std::move(world),
                {[w] { w->scribe(); }, [w] { w->put(); }, [w] { w->hold(kWant + 10, false); }});
  }
};

template <class Policy, class Bell = log::DoorbellPolicy>
struct NamedBufferPlot {
  const char* name;
  typename BufferPlots<Policy, Bell>::Make make;
};

template <class Policy, class Bell = log::DoorbellPolicy>
std::vector<NamedBufferPlot<Policy, Bell>> all_buffer_plots() {
  using P = BufferPlots<Policy, Bell>;
  return {{"sleep_against_publish", P::sleep_against_publish},
          {"sleep_in_flight_against_publish", P::sleep_in_flight_against_publish},
          {"sleep_against_errand_and_stop", P::sleep_against_errand_and_stop},
          {"two_publish", P::two_publish},
          {"want_of_room_at_the_wrap", P::want_of_room_at_the_wrap},
          {"two_want_room", P::two_want_room},
          {"abandon_among_others", P::abandon_among_others},
          {"unused_credit_against_want", P::unused_credit_against_want},
          {"left_to_the_wait_against_want", P::left_to_the_wait_against_want},
          {"inline_commit_against_publish", P::inline_commit_against_publish},
          {"two_wait", P::two_wait},
          {"end_of_a_hold_up", P::end_of_a_hold_up},
          {"two_pools", P::two_pools},
          {"admission_to_the_last_room", P::admission_to_the_last_room},
          {"admission_from_both_pools", P::admission_from_both_pools},
          {"admission_against_a_block", P::admission_against_a_block}};
}

}  // namespace warden::interleave
