// SPDX-License-Identifier: Apache-2.0
//
// From the queue to the consumers: every alert to those that want it, every
// closing to those that know its item. Each step first takes all the memory that
// it needs, then cannot fail; without memory it stays staged for the next call.
#include "alert/hub.hpp"

namespace warden::alert {

bool Hub::intake(const Consumer* except) noexcept {
  if (Alert* oldest = queue_.take_all(); oldest != nullptr) {
    (staged_tail_ == nullptr ? staged_head_ : staged_tail_->hooks.next) = oldest;
    while (oldest->hooks.next != nullptr) oldest = oldest->hooks.next;
    staged_tail_ = oldest;
  }
  if (staged_head_ == nullptr) return true;
  while (staged_head_ != nullptr) {
    Alert* next = staged_head_->hooks.next;
    if (!admit(staged_head_)) break;
    staged_head_ = next;
  }
  if (staged_head_ == nullptr) staged_tail_ = nullptr;
  for (const ConsumerRef& consumer : consumers_) {
    if (consumer.get() != except) refresh(*consumer);
  }
  return staged_head_ == nullptr;
}

bool Hub::admit(Alert* node) noexcept {
  return node->hooks.is_closing ? admit_closing(node) : admit_alert(node);
}

bool Hub::admit_alert(Alert* alert) noexcept {
  bool prepared = true;
  if (consumers_.empty()) {
    prepared = unclaimed_.prepare(alert) != nullptr;
  }
  for (const ConsumerRef& consumer : consumers_) {
    if (!consumer->wants(*alert)) continue;
    prepared = consumer->prepare(alert) != nullptr;
    if (!prepared) break;
  }
  if (!prepared) {
    while (Entry* entry = alert->hooks.entries) entry->line->consumer->unprepare(entry);
    return false;
  }
  if (alert->hooks.entries == nullptr) {
    ledger_.unwanted.fetch_add(1, std::memory_order_relaxed);
    ledger_.kept.fetch_sub(1, std::memory_order_relaxed);
    ledger_.discard(alert);
    return true;
  }
  ledger_.keep(alert);
  for (Entry* entry = alert->hooks.entries; entry != nullptr; entry = entry->next_of_alert) {
    entry->line->consumer->append(entry);
  }
  return true;
}

bool Hub::admit_closing(Alert* closing) noexcept {
  Alert* resolved = nullptr;
  for (const ConsumerRef& consumer : consumers_) {
    if (consumer->make_resolved(*closing, resolved)) continue;
    while (resolved != nullptr) {
      Alert* next = resolved->hooks.next;
      Entry* entry = resolved->hooks.entries;
      entry->line->consumer->unprepare(entry);
      ledger_.discard(resolved);
      resolved = next;
    }
    return false;
  }
  const auto withdraw = [closing](Consumer& consumer) {
    Line* line = consumer.lines_.find(closing->incarnation);
    if (line != nullptr) consumer.withdraw(line, closing->lsn);
  };
  withdraw(unclaimed_);
  for (const ConsumerRef& consumer : consumers_) withdraw(*consumer);

  Alert* in_order = nullptr;  // the incidents in the order in which they were told
  while (resolved != nullptr) {
    Alert* next = resolved->hooks.next;
    resolved->hooks.next = in_order;
    in_order = resolved;
    resolved = next;
  }
  while (in_order != nullptr) {
    Alert* next = in_order->hooks.next;
    ledger_.keep(in_order);
    ledger_.kept.fetch_add(1, std::memory_order_relaxed);
    Entry* entry = in_order->hooks.entries;
    entry->line->consumer->append(entry);
    in_order = next;
  }
  ledger_.discard(closing);
  return true;
}

// Gives a consumer what is kept and wanted by it; what waited for a first one
// waits no longer. False without memory: then the caller clears the consumer.
bool Hub::take_over(Consumer& consumer) noexcept {
  for (Alert* alert = ledger_.oldest(); alert != nullptr; alert = alert->hooks.next) {
    // A RESOLVED is for whom it was made; what its item's closing withdrew before
    // this consumer saw it goes to audits only.
    if (alert->kind == Kind::resolved || !consumer.wants(*alert)) continue;
    if (alert->hooks.closed && !consumer.options().audit) continue;
    Entry* entry = consumer.prepare(alert);
    if (entry == nullptr) return false;
    consumer.append(entry);
  }
  unclaimed_.lines_.for_each([this](Line* line) {
    Entry* before = nullptr;
    for (Entry* entry = line->head; entry != nullptr;) {
      Entry* next = entry->next_in_line;
      const bool alone = entry->alert->hooks.entries == entry && entry->next_of_alert == nullptr;
      if (alone) {
        before = entry;
      } else {
        unclaimed_.take_out(entry, before);
      }
      entry = next;
    }
    if (line->head == nullptr) {
      unclaimed_.erase_if_done(line);
    } else if (line->head->place == Place::none) {
      unclaimed_.place(line->head);
    }
  });
  return true;
}

Error Hub::check(std::string_view name, const ConsumerOptions& wanted) {
  if (name.empty() || name.size() > 255) {
    return Error{Code::invalid_argument, "consumer: a name has 1..255 bytes", 0, 0, 0};
  }
  if (wanted.lease < kMinLease || wanted.lease > kMaxLease) {
    return Error{Code::out_of_range, "consumer: lease is 1 ms .. 1 day", 0, 0, 0};
  }
  return {};
}

Error Hub::open(std::string_view name, const ConsumerOptions* options, ConsumerRef& consumer) {
  const auto refuse = [](Code code, const char* why) { return Error{code, why, 0, 0, 0}; };
  try {
    const ConsumerOptions wanted = options == nullptr ? ConsumerOptions{} : *options;
    if (Error error = check(name, wanted)) return error;
    std::lock_guard guard(mutex_);
    if (closed_) return refuse(Code::store_closed, "consumer: the store is closed");
    for (const ConsumerRef& known : consumers_) {
      if (known->name() != name) continue;
      if (options != nullptr && !known->options().agrees_with(wanted)) {
        return refuse(Code::conflict, "consumer: the name exists with other options");
      }
      consumer = known;
      return {};
    }
    // What was pushed before this call is not "from now on".
    if (!intake(nullptr)) return refuse(Code::no_memory, "consumer: out of memory");
    auto made = std::make_shared<Consumer>(std::string(name), wanted, ledger_);
    std::lock_guard bells(bells_mutex_);
    consumers_.reserve(consumers_.size() + 1);
    if (wanted.start != Start::now && !take_over(*made)) {
      made->clear();
      return refuse(Code::no_memory, "consumer: out of memory");
    }
    consumers_.push_back(made);
    consumer = std::move(made);
    return {};
  } catch (const std::bad_alloc&) {
    return Error{Code::no_memory, {}, 0, 0, 0};
  }
}

Code Hub::restore(Alert* alert, std::span<Consumer* const> holders) noexcept {
  std::lock_guard guard(mutex_);
  if (closed_) return Code::store_closed;
  for (const Consumer* holder : holders) {
    if (holder->deleted_) return Code::consumer_closed;
  }
  if (!intake(nullptr)) return Code::no_memory;
  bool prepared = !holders.empty() || unclaimed_.prepare(alert) != nullptr;
  for (Consumer* holder : holders) {
    Entry* entry = prepared ? holder->prepare(alert) : nullptr;
    prepared = entry != nullptr && holder->remember(entry->line, *alert);
  }
  if (!prepared) {
    while (Entry* entry = alert->hooks.entries) entry->line->consumer->unprepare(entry);
    return Code::no_memory;
  }
  ledger_.keep(alert);
  ledger_.kept.fetch_add(1, std::memory_order_relaxed);
  for (Entry* entry = alert->hooks.entries; entry != nullptr; entry = entry->next_of_alert) {
    if (!holders.empty()) entry->delivery = 1;
    entry->line->consumer->append(entry);
  }
  for (Consumer* holder : holders) refresh(*holder);
  return Code::ok;
}

Code Hub::restore_told(Consumer& consumer, const Alert& alert) noexcept {
  std::lock_guard guard(mutex_);
  if (const Code code = state_of(consumer); code != Code::ok) return code;
  Line* line = consumer.line_of(alert.incarnation);
  if (line == nullptr) return Code::no_memory;
  if (consumer.remember(line, alert)) return Code::ok;
  consumer.erase_if_done(line);
  return Code::no_memory;
}

}  // namespace warden::alert
