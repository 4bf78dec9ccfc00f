// SPDX-License-Identifier: Apache-2.0
//
// The whole engine behind the C ABI, over the simulated disk: everything but opening
// goes through warden.h, as any program's calls do. The log has no thread of its own;
// whoever waits drives it, so a run of one thread takes the same steps every time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "handles.hpp"
#include "sim_disk.hpp"

namespace warden::fault {

// What the log hook heard.
struct Heard {
  unsigned notices = 0;
  unsigned warnings = 0;
  unsigned errors = 0;
  std::string last;

  static void hear(void* context, std::uint32_t weight, std::int32_t, const char* text) {
    const sim::Exempt exempt;
    auto& self = *static_cast<Heard*>(context);
    (weight == WARDEN_LOG_NOTICE    ? self.notices
     : weight == WARDEN_LOG_WARNING ? self.warnings
                                    : self.errors) += 1;
    self.last = text;
  }
};

struct StoreFree {
  void operator()(warden_store* store) const { warden_free(store); }
};
using StoreHandle = std::unique_ptr<warden_store, StoreFree>;

class SimEngine {
 public:
  SimEngine(sim::SimWorld& world, io::ManualClock& clock)
      : disk_(sim::make_sim_disk(world, clock)) {
    footing_.disk = disk_.get();
    footing_.log.first_segment_bytes = 64 * 1024;
    footing_.log.segment_bytes = 128 * 1024;
    footing_.log.buffer_bytes = 64 * 1024;
    footing_.log.manual = true;
    footing_.log.clock = &clock;
    footing_.log.uuid = {1, 2};
  }

  log::Options& log_options() { return footing_.log; }
  Heard heard;
  warden_error error = WARDEN_ERROR_INIT;

  // As warden_open does.
  std::int32_t open() {
    close();
    heard = {};
    error = warden_error WARDEN_ERROR_INIT;
    return capi::guarded([&] {
      engine::Config config;
      config.manual_clock = true;
      config.stripes = 16;
      config.dedupe_max = 1000;
      config.notices = {Heard::hear, &heard};
      auto handle = std::make_unique<warden_store>();
      const Error refused = engine::Store::open("sim", config, handle->engine, &footing_);
      if (!refused) store_.reset(handle.release());
      return capi::report(refused, &error);
    });
  }
  void close() { store_.reset(); }
  bool is_open() const { return store_ != nullptr; }
  warden_store* get() { return store_.get(); }

 private:
  std::unique_ptr<io::Disk> disk_;
  engine::Footing footing_;
  StoreHandle store_;
};

}  // namespace warden::fault
