// SPDX-License-Identifier: Apache-2.0
//
// The steps of the fixed run.
#include "client.hpp"
#include "flow_texts.hpp"
#include "script.hpp"

namespace warden::fault {

using test::kS;

std::vector<Script::Step> Script::first_life() {
  return {
      {"define", [&] { define(test::kUpload); }},
      {"consumer", [&] { open_consumer("ops"); }},
      {"track", [&] { track("upload/a", 5000); }},
      {"track buffered", [&] { track("upload/b", 10, WARDEN_DURABILITY_BUFFERED); }},
      {"submit",
       [&] {
         warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
         options.ttl_ns = 30 * kS;
         verb("upload/c", options, [&](const auto* o, auto* r) {
           return warden_submit(engine_.get(), "upload", 6, "c", 1, nullptr, 0, o, r);
         });
       }},
      {"batch", [&] { batch(); }},
      {"mark", [&] { mark("upload/a", "uploaded"); }},
      {"exec",
       [&] {
         const warden_due due{"promised", 8, now_ + 5 * kS};
         warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
         options.dues = &due;
         options.due_count = 1;
         verb("upload/c", options, [&](const auto* o, auto* r) {
           return warden_exec(engine_.get(), "upload", 6, "c", 1, o, r);
         });
       }},
      {"extend",
       [&] {
         verb("upload/b", WARDEN_ITEM_OPTIONS_INIT, [&](const auto* o, auto* r) {
           return warden_extend(engine_.get(), "upload", 6, "b", 1, "total", 5, WARDEN_NO_TIME,
                                now_ + 300 * kS, o, r);
         });
       }},
      {"define free",
       [&] {
         define(
             "[flow]\nname = 'free'\nstages = 'any'\ndedupe = '1h'\n[[rule]]\nname = 't'\n"
             "kind = 'total'\nwithin = '10s'\n");
       }},
      {"track free", [&] { track("free/g"); }},
      {"new stage", [&] { mark("free/g", "somewhere"); }},
      {"clock", [&] { advance(60 * kS); }},
      {"alerts", [&] { take_alerts(1); }},
      {"touch",
       [&] {
         verb("upload/x", WARDEN_ITEM_OPTIONS_INIT, [&](const auto* o, auto* r) {
           return warden_touch(engine_.get(), "upload", 6, "x", 1, o, r);
         });
       }},
      {"complete late", [&] { complete("free/g"); }},
      {"cancel",
       [&] {
         verb("upload/y", WARDEN_ITEM_OPTIONS_INIT, [&](const auto* o, auto* r) {
           return warden_cancel(engine_.get(), "upload", 6, "y", 1, o, r);
         });
       }},
      {"complete early", [&] { complete("upload/early", true); }},
      {"second consumer", [&] { open_consumer("second"); }},
      {"clock further", [&] { advance(50 * kS); }},
      {"deleted consumer", [&] { delete_consumer("second"); }},
      {"alerts again", [&] { take_alerts(64); }},
      {"sync", [&] { sync(); }},
      {"close", [&] { close(); }},
  };
}

std::vector<Script::Step> Script::second_life() {
  return {
      {"define again", [&] { define(test::kUpload); }},
      {"consumer again", [&] { open_consumer("ops"); }},
      {"mark closes", [&] { mark("upload/a", "copied"); }},
      {"and again", [&] { mark("upload/a", "backed-up"); }},
      {"track over", [&] { track("upload/a", 5000); }},
      {"fill",
       [&] {
         for (int i = 0; i < 12; ++i) track(test::numbered("upload/f", i), 4000);
       }},
      {"new stage again", [&] { mark("free/g", "elsewhere"); }},
      {"complete", [&] { complete("upload/b"); }},
      {"clock", [&] { advance(200 * kS); }},
      {"alerts", [&] { take_alerts(2); }},
      {"late", [&] { complete("upload/x"); }},
      {"buffered", [&] { track("upload/tail", 100, WARDEN_DURABILITY_BUFFERED); }},
  };
}

}  // namespace warden::fault
