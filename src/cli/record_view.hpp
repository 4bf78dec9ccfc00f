// SPDX-License-Identifier: Apache-2.0
//
// A record of the log as text and as JSON, decoded by the functions that replay uses.
//
// Data flow: a first reading collects flows, names of stages and of consumers, wherever
// they stand; then each record can be told by names.
//
// Invariant: what cannot be decoded is told as its bytes, in hexadecimal, never left out.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/records.hpp"
#include "log/recovery.hpp"

namespace warden::cli {

const char* type_name(log::RecordType type);

class RecordNames final : public log::ReplaySink {
 public:
  RecordNames();
  bool ready() const { return flows_ != nullptr; }
  Error apply(Lsn lsn, log::RecordType type, std::uint64_t incarnation,
              std::span<const std::byte> content) override;
  // Beside a live writer reading may begin anew; names that were read stay true.
  void reset() override {}

  const engine::FlowVersion* flow(std::uint64_t number) const {
    return flows_->find_version(number);
  }
  std::string consumer(std::uint64_t number) const;

 private:
  std::unique_ptr<engine::FlowTable> flows_;
  std::map<std::uint64_t, std::string> consumers_;
};

// Its content, by names of fields.
nlohmann::ordered_json record_json(const RecordNames& names, log::RecordType type,
                                   std::uint64_t incarnation, std::span<const std::byte> content);
// The same, the most telling of it, on one line.
std::string record_text(const RecordNames& names, log::RecordType type, std::uint64_t incarnation,
                        std::span<const std::byte> content);

}  // namespace warden::cli
