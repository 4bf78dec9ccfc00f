// SPDX-License-Identifier: Apache-2.0
//
// Flows that several of the tests use.
#pragma once

namespace warden::test {

// Every kind of rule that needs no `min`; total warns and escalates.
inline constexpr const char* kUpload = R"(
[flow]
name = "upload"
stages = ["uploading", "uploaded", "copied", "backed-up", "rejected"]
done = ["copied", "backed-up"]
close = ["rejected"]
dedupe = "1h"

[[rule]]
name = "total"
kind = "total"
within = "100s"
warn_at = "80%"
escalate = ["+10s", "+1m"]

[[rule]]
name = "quiet"
kind = "idle"
within = "1000s"

[[rule]]
name = "hand-off"
kind = "stage"
from = "uploaded"
to = "copied"
within = "50s"

[[rule]]
name = "promised"
kind = "due"
to = "backed-up"
)";

// One deadline of 10 s.
inline constexpr const char* kTimer = R"(
[flow]
name = "timer"
stages = []
dedupe = "1h"
[[rule]]
name = "t"
kind = "total"
within = "10s"
)";

}  // namespace warden::test
