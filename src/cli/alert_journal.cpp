// SPDX-License-Identifier: Apache-2.0
//
// See alert_journal.hpp. The file: entries back to back, each
//   | bytes of the rest, 4 | sum of the rest, 8 | the rest |
// in the byte order of the machine. The first one's rest is kMagic, the store's path, a line break
// and the replay's digest.
#include "cli/alert_journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>

#include "cli/file_io.hpp"
#include "cli/text.hpp"

namespace warden::cli {
namespace {

constexpr std::string_view kMagic = "warden replay journal 2\n";
constexpr std::size_t kHeadBytes = sizeof(std::uint32_t) + sizeof(std::uint64_t);
constexpr std::string_view kExpected = "the journal of an earlier replay";

// FNV-1a: this guards against a tail cut short, not against an adversary.
std::uint64_t sum_of(std::string_view bytes) {
  std::uint64_t sum = 0xcbf29ce484222325U;
  for (const char c : bytes) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return sum;
}

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}
void put_framed(std::string& out, std::string_view rest) {
  put(out, static_cast<std::uint32_t>(rest.size()));
  put(out, sum_of(rest));
  out += rest;
}

// Takes values from the front; `bad` once there was too little.
struct Reader {
  std::string_view in;
  bool bad = false;

  std::string_view bytes(std::size_t size) {
    bad = bad || size > in.size();
    if (bad) return {};
    const std::string_view out = in.substr(0, size);
    in.remove_prefix(size);
    return out;
  }
  template <class T>
  T number() {
    T value{};
    if (const std::string_view from = bytes(sizeof value); !bad) {
      std::memcpy(&value, from.data(), sizeof value);
    }
    return value;
  }
  std::string text() { return std::string{bytes(number<std::uint32_t>())}; }
};

// The rest of the next entry, if it is whole.
std::optional<std::string_view> next_entry(std::string_view in) {
  Reader reader{in};
  const auto size = reader.number<std::uint32_t>();
  const auto sum = reader.number<std::uint64_t>();
  const std::string_view rest = reader.bytes(size);
  if (reader.bad || sum_of(rest) != sum) return std::nullopt;
  return rest;
}

AlertEntry decode(std::string_view rest) {
  Reader reader{rest};
  AlertEntry entry;
  entry.id.first = reader.number<std::uint64_t>();
  entry.id.second = reader.number<std::uint64_t>();
  entry.kind = reader.number<std::uint32_t>();
  entry.level = reader.number<std::uint32_t>();
  entry.raised_ns = reader.number<std::int64_t>();
  entry.deadline_ns = reader.number<std::int64_t>();
  entry.rule = reader.text();
  entry.case_id = reader.text();
  entry.stage = reader.text();
  return entry;
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

Failure cannot(const std::string& path, const char* what) {
  return bad_environment(fmt::format("{}: cannot be {}: {}; expected a file in a writable folder",
                                     path, what, std::generic_category().message(errno)));
}

std::string header_of(const JournalOwner& owner) {
  return fmt::format("{}{}\n{}", kMagic, owner.store, owner.replay);
}

// The file's bytes after its header; nothing of a file whose header is not whole: no
// alert was acknowledged on its word.
Result<std::string> read_entries(const std::string& path, const JournalOwner& owner, bool anew,
                                 std::size_t& offset) {
  auto content = read_file(path, kExpected);
  if (!content.ok()) return content;
  const auto header = next_entry(content.value());
  offset = 0;
  if (!header || !header->starts_with(kMagic)) {
    std::string whole;
    put_framed(whole, header_of(owner));
    if (whole.starts_with(content.value())) return std::string{};  // cut short
    return bad_input(fmt::format("{}: is not {}; expected that, or no such file", path, kExpected));
  }
  const std::string_view rest = header->substr(kMagic.size());
  const std::size_t newline = rest.rfind('\n');
  const std::string_view store = rest.substr(0, newline);
  if (store != owner.store) {
    return bad_input(
        fmt::format("{}: holds the alerts of the store {}; expected that store, or another "
                    "--alerts file",
                    path, store));
  }
  if (!anew && rest.substr(newline + 1) != owner.replay) {
    return bad_input(
        fmt::format("{}: holds the alerts of another replay into {}: of other events, another "
                    "flow, --due or --order; expected the same command as before, or a new store",
                    path, store));
  }
  offset = kHeadBytes + header->size();
  return content.value().substr(offset);
}

}  // namespace

AlertJournal::~AlertJournal() {
  if (fd_ >= 0) ::close(fd_);
}

Status AlertJournal::check(const std::string& path, const JournalOwner& owner, bool anew) {
  if (!exists(path)) return check_writable(path);
  std::size_t offset = 0;
  auto entries = read_entries(path, owner, anew, offset);
  if (!entries.ok()) return std::move(entries.failure());
  return check_writable(path);
}

Status AlertJournal::open(const std::string& path, const JournalOwner& owner, bool anew,
                          const std::function<void(AlertEntry)>& entry) {
  path_ = path;
  std::size_t offset = 0;
  if (!anew && exists(path)) {
    auto entries = read_entries(path, owner, anew, offset);
    if (!entries.ok()) return std::move(entries.failure());
    std::string_view left = entries.value();
    while (const auto rest = next_entry(left)) {
      entry(decode(*rest));
      left.remove_prefix(kHeadBytes + rest->size());
      offset += kHeadBytes + rest->size();
    }
  }
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) return cannot(path, "opened");
  if (::ftruncate(fd_, static_cast<off_t>(offset)) != 0) return cannot(path, "written");
  if (offset == 0) put_framed(pending_, header_of(owner));
  return commit();
}

void AlertJournal::add(const AlertEntry& entry) {
  std::string rest;
  put(rest, entry.id.first);
  put(rest, entry.id.second);
  put(rest, entry.kind);
  put(rest, entry.level);
  put(rest, entry.raised_ns);
  put(rest, entry.deadline_ns);
  put_text(rest, entry.rule);
  put_text(rest, entry.case_id);
  put_text(rest, entry.stage);
  put_framed(pending_, rest);
}

Status AlertJournal::commit() {
  std::string_view left = pending_;
  while (!left.empty()) {
    const ssize_t put = ::write(fd_, left.data(), left.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return cannot(path_, "written");
    left.remove_prefix(static_cast<std::size_t>(put));
  }
  pending_.clear();
  if (::fdatasync(fd_) != 0) return cannot(path_, "written");
  return std::nullopt;
}

}  // namespace warden::cli
