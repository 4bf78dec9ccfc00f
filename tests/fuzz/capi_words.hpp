// SPDX-License-Identifier: Apache-2.0
//
// What the arguments of a session's calls are chosen from.
#pragma once

#include <array>
#include <string_view>

#include "../unit/capi/flow_texts.hpp"
#include "base/types.hpp"
#include "warden/warden.h"

namespace warden::fuzz {

using std::string_view;

inline constexpr std::array<const char*, 6> kFlows{
    test::kUpload,
    test::kTimer,
    "[flow]\nname = 'upload'\nstages = ['copied']\nclose = ['copied']\n[[rule]]\nname = 'total'\n"
    "kind = 'total'\nwithin = '20s'\ncap = '60s'\n",
    "[flow]\nname = 'free'\nstages = 'any'\n[[rule]]\nname = 'i'\nkind = 'idle'\nwithin = '5s'\n"
    "min = '1s'\n[[rule]]\nname = 'promised'\nkind = 'due'\n",
    "[flow]\nname = 'free'\nstages = 'any'\ndedupe = '1s'\n",
    "[flow]\nname = 'upload'\nstages = [\n"};
inline constexpr std::array<string_view, 8> kFlowNames{"upload", "upload", "timer", "free",
                                                       "free",   "timer",  "nope",  ""};
inline constexpr std::array<string_view, 8> kStages{"uploading", "uploaded", "copied", "backed-up",
                                                    "rejected",  "new",      "\x01",   ""};
inline constexpr std::array<string_view, 6> kRules{"total", "quiet", "promised", "t", "i", "none"};
inline constexpr std::int64_t kFarAway = 3000 * kSecond;
inline constexpr std::array<std::int64_t, 10> kSpans{0,
                                                     1,
                                                     kSecond,
                                                     15 * kSecond,
                                                     100 * kSecond,
                                                     900 * kSecond,
                                                     -5 * kSecond,
                                                     4000 * kSecond,
                                                     kNever - 1,
                                                     WARDEN_NO_TIME + 1};

}  // namespace warden::fuzz
