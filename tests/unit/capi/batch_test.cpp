// SPDX-License-Identifier: Apache-2.0
//
// Batches: the same answers as single calls, each entry its own, refused whole when
// one points outside the blob.
#include "client.hpp"
#include "flow_texts.hpp"

namespace warden::test {
namespace {

// A batch under construction; entries name parts of the blob.
class Batch {
 public:
  void add(std::string_view key, std::string_view arg, const With& with = {}) {
    warden_batch_entry entry{};
    entry.key_offset = put(key);
    entry.key_len = static_cast<std::uint32_t>(key.size());
    entry.arg_offset = put(arg);
    entry.arg_len = static_cast<std::uint32_t>(arg.size());
    entry.due_first = static_cast<std::uint32_t>(dues.size());
    entry.due_count = static_cast<std::uint32_t>(with.dues.size());
    for (const Due& due : with.dues) {
      dues.push_back({put(due.rule), static_cast<std::uint32_t>(due.rule.size()), due.instant});
    }
    entry.incarnation = with.incarnation;
    entry.token = with.token;
    entry.seq = with.seq;
    entry.at_ns = with.at;
    entries.push_back(entry);
  }
  std::int32_t run(Store& store, std::uint32_t op) {
    results.assign(entries.size(), warden_batch_result{-1, 0, 0, 0, 0});
    warden_batch batch = WARDEN_BATCH_INIT;
    batch.count = static_cast<std::uint32_t>(entries.size());
    batch.flow = store.flow.data();
    batch.flow_len = store.flow.size();
    batch.blob = blob.data();
    batch.blob_len = blob.size();
    batch.entries = entries.data();
    batch.dues = dues.data();
    batch.due_count = dues.size();
    batch.results = results.data();
    std::uint64_t last = 77;
    const std::int32_t good = warden_batch_run(store.get(), op, &batch, &last);
    if (good >= 0) {
      EXPECT_EQ(last, 0u) << "no log";
    }
    return good;
  }
  std::string blob;
  std::vector<warden_batch_entry> entries;
  std::vector<warden_batch_due> dues;
  std::vector<warden_batch_result> results;

 private:
  std::uint32_t put(std::string_view bytes) {
    blob += bytes;
    return static_cast<std::uint32_t>(blob.size() - bytes.size());
  }
};

class Batches : public ::testing::Test {
 protected:
  void SetUp() override { store_.define(kUpload); }
  void TearDown() override { store_.expect_balance(); }
  Store store_;
};

TEST_F(Batches, EachEntryHasItsOwnAnswer) {
  store_.track("there", "p", {.at = 0});
  Batch batch;
  batch.add("new", "p", {.at = 0, .seq = 1});
  batch.add("there", "p", {.at = 0});
  batch.add("there", "q", {.at = 0});
  batch.add("", "p", {.at = 0});
  batch.add(std::string(513, 'k'), "p", {.at = 0});
  batch.add("late", "p", {.at = WARDEN_NO_TIME});
  batch.add("due", "p", {.at = 0, .dues = {{"promised", 5}, {"promised", 9}}});
  batch.add("bad due", "p", {.at = 0, .dues = {{"nosuch", 5}}});
  batch.add("new", "p", {.at = 0});
  EXPECT_EQ(batch.run(store_, WARDEN_OP_TRACK), 4);
  const std::int32_t codes[] = {
      WARDEN_NEW,         WARDEN_EXISTING,           WARDEN_E_CONFLICT, WARDEN_E_INVALID_ARGUMENT,
      WARDEN_E_TOO_LARGE, WARDEN_E_INVALID_ARGUMENT, WARDEN_NEW,        WARDEN_E_UNKNOWN_RULE,
      WARDEN_EXISTING};
  for (std::size_t i = 0; i < std::size(codes); ++i) {
    EXPECT_EQ(batch.results[i].code, codes[i]) << i;
  }
  EXPECT_EQ(batch.results[0].incarnation, store_.get_item("new").raw.incarnation);
  EXPECT_EQ(batch.results[0].token, store_.get_item("new").raw.token);
  EXPECT_EQ(store_.get_item("new").raw.seq, 1u);
  EXPECT_EQ(store_.get_item("due").rule("promised").deadline, 5);
}

TEST_F(Batches, MarksAndCompletions) {
  Batch track;
  for (const char* key : {"a", "b", "c"}) track.add(key, "", {.at = 0});
  EXPECT_EQ(track.run(store_, WARDEN_OP_TRACK), 3);
  Batch mark;
  mark.add("a", "uploaded", {.at = 1, .seq = 1});
  mark.add("a", "uploaded", {.at = 1, .seq = 1});
  mark.add("b", "rejected", {.at = 1});
  mark.add("c", "nosuch", {.at = 1});
  mark.add("d", "uploaded", {.at = 1});
  mark.add("c", "uploaded", {.at = 1, .token = 1});
  EXPECT_EQ(mark.run(store_, WARDEN_OP_MARK), 3);
  const std::int32_t marked[] = {
      WARDEN_OK,      WARDEN_ALREADY, WARDEN_CLOSED, WARDEN_E_UNKNOWN_STAGE, WARDEN_E_UNKNOWN_ITEM,
      WARDEN_E_FENCED};
  for (std::size_t i = 0; i < std::size(marked); ++i) {
    EXPECT_EQ(mark.results[i].code, marked[i]) << i;
  }
  EXPECT_EQ(mark.results[2].verdict, WARDEN_VERDICT_DONE);
  Batch complete;
  complete.add("a", "", {.at = 101 * kS});
  complete.add("b", "", {.at = 2});
  complete.add("c", "", {.at = 2, .incarnation = 1});
  complete.add("d", "", {.at = 2});
  EXPECT_EQ(complete.run(store_, WARDEN_OP_COMPLETE), 2);
  const std::int32_t completed[] = {
      WARDEN_LATE, WARDEN_ALREADY_DONE,
      mark.results[5].incarnation == 1 ? WARDEN_ON_TIME : WARDEN_E_FENCED, WARDEN_E_UNKNOWN_ITEM};
  for (std::size_t i = 0; i < std::size(completed); ++i) {
    EXPECT_EQ(complete.results[i].code, completed[i]) << i;
  }
}

TEST_F(Batches, AnswersAreThoseOfSingleCalls) {
  Store single;
  single.define(kUpload);
  Batch track;
  Batch mark;
  for (int i = 0; i < 300; ++i) {
    const std::string key = numbered("k", i % 200);
    track.add(key, numbered("p", i % 3), {.at = i});
    mark.add(key, i % 2 == 0 ? "copied" : "backed-up", {.at = i, .seq = 5});
  }
  track.run(store_, WARDEN_OP_TRACK);
  mark.run(store_, WARDEN_OP_MARK);
  for (int i = 0; i < 300; ++i) {
    const std::string key = numbered("k", i % 200);
    EXPECT_EQ(single.track(key, numbered("p", i % 3), {.at = i}).code,
              track.results[static_cast<std::size_t>(i)].code);
  }
  for (int i = 0; i < 300; ++i) {
    const std::string key = numbered("k", i % 200);
    const Answer one = single.mark(key, i % 2 == 0 ? "copied" : "backed-up", {.at = i, .seq = 5});
    EXPECT_EQ(one.code, mark.results[static_cast<std::size_t>(i)].code);
    EXPECT_EQ(one.r.verdict, mark.results[static_cast<std::size_t>(i)].verdict);
  }
  EXPECT_EQ(single.stats().live, store_.stats().live);
  EXPECT_EQ(single.stats().done, store_.stats().done);
  EXPECT_EQ(single.stats().events, store_.stats().events);
}

TEST_F(Batches, OneEntryOutsideTheBlobRefusesThemAll) {
  const auto with_entry = [&](auto&& change) {
    Batch batch;
    batch.add("good", "p", {.at = 0, .dues = {{"promised", 5}}});
    batch.add("bad", "p", {.at = 0, .dues = {{"promised", 5}}});
    change(batch);
    EXPECT_EQ(batch.run(store_, WARDEN_OP_TRACK), WARDEN_E_INVALID_ARGUMENT);
    EXPECT_EQ(batch.results[0].code, -1) << "not even the first was run";
  };
  with_entry([](Batch& b) { b.entries[1].key_len = 1000; });
  with_entry([](Batch& b) { b.entries[1].key_offset = 1000; });
  with_entry([](Batch& b) {
    b.entries[1].key_offset = UINT32_MAX;
    b.entries[1].key_len = UINT32_MAX;
  });
  with_entry([](Batch& b) { b.entries[1].arg_len = 1000; });
  with_entry([](Batch& b) { b.entries[1].due_count = 2; });
  with_entry([](Batch& b) { b.entries[1].due_first = 3; });
  with_entry([](Batch& b) { b.dues[1].rule_len = 1000; });
  with_entry([](Batch& b) { b.dues[1].rule_offset = UINT32_MAX; });
  EXPECT_EQ(store_.stats().submitted_total, 0u);
}

TEST_F(Batches, RefusalsOfTheWhole) {
  warden_batch batch = WARDEN_BATCH_INIT;
  batch.flow = "upload";
  batch.flow_len = 6;
  EXPECT_EQ(warden_batch_run(store_.get(), WARDEN_OP_TRACK, &batch, nullptr), 0) << "empty";
  EXPECT_EQ(warden_batch_run(store_.get(), 0, &batch, nullptr), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_batch_run(store_.get(), 4, &batch, nullptr), WARDEN_E_INVALID_ARGUMENT);
  const auto refused = [&](auto&& change) {
    warden_batch wrong = batch;
    change(wrong);
    EXPECT_EQ(warden_batch_run(store_.get(), WARDEN_OP_TRACK, &wrong, nullptr),
              WARDEN_E_INVALID_ARGUMENT);
  };
  refused([](warden_batch& b) { b.count = 1; });
  refused([](warden_batch& b) { b.blob_len = 1; });
  refused([](warden_batch& b) { b.due_count = 1; });
  refused([](warden_batch& b) { b.reserved = 1; });
  refused([](warden_batch& b) { b.durability = 4; });
  refused([](warden_batch& b) { b.flow = nullptr; });
  std::vector<warden_batch_entry> many(65537);
  refused([&](warden_batch& b) {
    b.entries = many.data();
    b.count = 65537;
  });
}

TEST_F(Batches, ResultsNeedNotBeWantedAndAnUnknownFlowIsEachEntrys) {
  Batch batch;
  batch.add("k", "p", {.at = 0});
  warden_batch raw = WARDEN_BATCH_INIT;
  raw.count = 1;
  raw.flow = "upload";
  raw.flow_len = 6;
  raw.blob = batch.blob.data();
  raw.blob_len = batch.blob.size();
  raw.entries = batch.entries.data();
  EXPECT_EQ(warden_batch_run(store_.get(), WARDEN_OP_TRACK, &raw, nullptr), 1);
  store_.flow = "nosuch";
  EXPECT_EQ(batch.run(store_, WARDEN_OP_TRACK), 0);
  EXPECT_EQ(batch.results[0].code, WARDEN_E_UNKNOWN_FLOW);
}

TEST_F(Batches, TheLargestBatch) {
  Batch batch;
  for (int i = 0; i < 65536; ++i) batch.add(numbered("k", i), "", {.at = 0});
  EXPECT_EQ(batch.run(store_, WARDEN_OP_TRACK), 65536);
  EXPECT_EQ(store_.stats().live, 65536u);
  EXPECT_EQ(batch.run(store_, WARDEN_OP_COMPLETE), 65536);
  EXPECT_EQ(store_.stats().done, 65536u);
  EXPECT_EQ(store_.stats().timers, 0u);
}

}  // namespace
}  // namespace warden::test
