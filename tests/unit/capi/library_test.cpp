// SPDX-License-Identifier: Apache-2.0
//
// What needs no store: version, codes, configuration and its refusals.
#include "client.hpp"

namespace warden::test {
namespace {

TEST(Library, VersionIsOneInAllItsForms) {
  EXPECT_EQ(warden_version(),
            (WARDEN_VERSION_MAJOR << 16 | WARDEN_VERSION_MINOR << 8 | WARDEN_VERSION_PATCH));
  const std::string text = numbered("", warden_version() >> 16) +
                           numbered(".", warden_version() >> 8 & 0xff) +
                           numbered(".", warden_version() & 0xff);
  EXPECT_EQ(text, warden_version_string());
  EXPECT_STREQ(warden_version_string(), WARDEN_VERSION_TEXT);
}

TEST(Library, AbiCheckTakesThisNumberAndNoNewerVersion) {
  EXPECT_EQ(warden_abi_check(WARDEN_ABI, 0), WARDEN_OK);
  EXPECT_EQ(warden_abi_check(WARDEN_ABI, warden_version()), WARDEN_OK);
  EXPECT_EQ(warden_abi_check(WARDEN_ABI, warden_version() + 1), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_abi_check(WARDEN_ABI + 1, 0), WARDEN_E_INVALID_ARGUMENT);
}

TEST(Library, EveryCodeHasItsName) {
#define WARDEN_TEST_CODE(name) EXPECT_STREQ(warden_code_name(WARDEN_##name), #name)
#define WARDEN_TEST_ERROR(name)                           \
  EXPECT_STREQ(warden_code_name(WARDEN_E_##name), #name); \
  EXPECT_LT(WARDEN_E_##name, 0);                          \
  EXPECT_TRUE(warden_code_flags(WARDEN_E_##name) & WARDEN_CODE_ERROR)
  WARDEN_TEST_CODE(OK);
  WARDEN_TEST_CODE(NEW);
  WARDEN_TEST_CODE(EXISTING);
  WARDEN_TEST_CODE(ALREADY_DONE);
  WARDEN_TEST_CODE(DONE_EARLY);
  WARDEN_TEST_CODE(ARMED);
  WARDEN_TEST_CODE(ALREADY_ARMED);
  WARDEN_TEST_CODE(ON_TIME);
  WARDEN_TEST_CODE(LATE);
  WARDEN_TEST_CODE(RECORDED_EARLY);
  WARDEN_TEST_CODE(ALREADY);
  WARDEN_TEST_CODE(CLOSED);
  WARDEN_TEST_CODE(CAPPED);
  WARDEN_TEST_ERROR(UNKNOWN_FLOW);
  WARDEN_TEST_ERROR(UNKNOWN_ITEM);
  WARDEN_TEST_ERROR(BAD_STATE);
  WARDEN_TEST_ERROR(FENCED);
  WARDEN_TEST_ERROR(UNKNOWN_STAGE);
  WARDEN_TEST_ERROR(UNKNOWN_RULE);
  WARDEN_TEST_ERROR(CONFLICT);
  WARDEN_TEST_ERROR(INVALID_ARGUMENT);
  WARDEN_TEST_ERROR(TOO_LARGE);
  WARDEN_TEST_ERROR(OUT_OF_RANGE);
  WARDEN_TEST_ERROR(FLOW_SYNTAX);
  WARDEN_TEST_ERROR(BUFFER_TOO_SMALL);
  WARDEN_TEST_ERROR(UNKNOWN_CONFIG);
  WARDEN_TEST_ERROR(NO_MEMORY);
  WARDEN_TEST_ERROR(NO_SPACE);
  WARDEN_TEST_ERROR(WOULD_BLOCK);
  WARDEN_TEST_ERROR(TIMEOUT);
  WARDEN_TEST_ERROR(LIMIT);
  WARDEN_TEST_ERROR(STORE_CLOSED);
  WARDEN_TEST_ERROR(FORKED);
  WARDEN_TEST_ERROR(CONSUMER_CLOSED);
  WARDEN_TEST_ERROR(READ_ONLY);
  WARDEN_TEST_ERROR(UNKNOWN_LEASE);
  WARDEN_TEST_ERROR(IO);
  WARDEN_TEST_ERROR(OUTCOME_UNKNOWN);
  WARDEN_TEST_ERROR(CORRUPT);
  WARDEN_TEST_ERROR(NEWER_FORMAT);
  WARDEN_TEST_ERROR(NOT_A_STORE);
  WARDEN_TEST_ERROR(HELD);
  WARDEN_TEST_ERROR(PERMISSION);
  WARDEN_TEST_ERROR(LOST);
  WARDEN_TEST_ERROR(INTERNAL);
#undef WARDEN_TEST_CODE
#undef WARDEN_TEST_ERROR
  EXPECT_STREQ(warden_code_name(13), "?");
  EXPECT_STREQ(warden_code_name(-1), "?");
}

TEST(Library, FlagsTellWhatToDo) {
  EXPECT_EQ(warden_code_flags(WARDEN_OK), 0u);
  EXPECT_EQ(warden_code_flags(WARDEN_LATE), 0u);
  EXPECT_EQ(warden_code_flags(WARDEN_E_NO_MEMORY), WARDEN_CODE_ERROR | WARDEN_CODE_RETRYABLE);
  EXPECT_EQ(warden_code_flags(WARDEN_E_NO_SPACE), WARDEN_CODE_ERROR | WARDEN_CODE_RETRYABLE);
  EXPECT_EQ(warden_code_flags(WARDEN_E_WOULD_BLOCK), WARDEN_CODE_ERROR | WARDEN_CODE_RETRYABLE);
  EXPECT_EQ(warden_code_flags(WARDEN_E_CONFLICT), WARDEN_CODE_ERROR);
  EXPECT_EQ(warden_code_flags(WARDEN_E_OUTCOME_UNKNOWN),
            WARDEN_CODE_ERROR | WARDEN_CODE_OUTCOME_UNKNOWN);
  EXPECT_EQ(warden_code_flags(WARDEN_E_CORRUPT), WARDEN_CODE_ERROR | WARDEN_CODE_CORRUPTION);
}

class Config : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(warden_config_new(&config_), WARDEN_OK); }
  void TearDown() override { warden_config_free(config_); }
  std::int32_t set(const char* key, const char* value) {
    error_ = WARDEN_ERROR_INIT;
    return warden_config_set(config_, key, value, &error_);
  }
  warden_config* config_ = nullptr;
  warden_error error_ = WARDEN_ERROR_INIT;
};

TEST_F(Config, BothEndsOfEveryRangeAreTaken) {
  const std::pair<const char*, const char*> good[] = {{"clock", "real"},
                                                      {"clock", "manual"},
                                                      {"tick", "64us"},
                                                      {"tick", "1s"},
                                                      {"stripes", "16"},
                                                      {"stripes", "65536"},
                                                      {"payload_max", "0"},
                                                      {"payload_max", "1048576"},
                                                      {"dedupe_max", "0"},
                                                      {"dedupe_max", "1000000000"},
                                                      {"start", "-9223372036854775807"},
                                                      {"start", "9223372036854775806"}};
  for (const auto& [key, value] : good) {
    EXPECT_EQ(set(key, value), WARDEN_OK) << key << " = " << value << ": " << error_.message;
    EXPECT_EQ(error_.code, WARDEN_OK);
  }
}

TEST_F(Config, RefusalsSayWhatWasExpected) {
  struct Refusal {
    const char* key;
    const char* value;
    std::int32_t code;
    const char* message;
  };
  const char* tick = "expected a duration from 64us to 1s, such as 1ms";
  const char* payload = "expected a whole number from 0 to 1048576";
  const Refusal refusals[] = {
      {"clock", "wall", WARDEN_E_INVALID_ARGUMENT, "expected real or manual"},
      {"clock", "", WARDEN_E_INVALID_ARGUMENT, "expected real or manual"},
      {"tick", "63us", WARDEN_E_OUT_OF_RANGE, tick},
      {"tick", "1001ms", WARDEN_E_OUT_OF_RANGE, tick},
      {"tick", "1", WARDEN_E_INVALID_ARGUMENT, tick},
      {"stripes", "17", WARDEN_E_OUT_OF_RANGE, "expected a power of two from 16 to 65536"},
      {"stripes", "8", WARDEN_E_OUT_OF_RANGE, "expected a whole number from 16 to 65536"},
      {"stripes", "131072", WARDEN_E_OUT_OF_RANGE, "expected a whole number from 16 to 65536"},
      {"stripes", "many", WARDEN_E_INVALID_ARGUMENT, "expected a whole number from 16 to 65536"},
      {"payload_max", "1048577", WARDEN_E_OUT_OF_RANGE, payload},
      {"payload_max", "-1", WARDEN_E_INVALID_ARGUMENT, payload},
      {"payload_max", "99999999999", WARDEN_E_OUT_OF_RANGE, payload},
      {"payload_max", "64 KiB", WARDEN_E_INVALID_ARGUMENT, payload},
      {"dedupe_max", "1000000001", WARDEN_E_OUT_OF_RANGE,
       "expected a whole number from 0 to 1000000000"},
      {"start", "now", WARDEN_E_INVALID_ARGUMENT,
       "expected a whole number from -9223372036854775807 to 9223372036854775806"},
      {"start", "9223372036854775807", WARDEN_E_OUT_OF_RANGE,
       "expected a whole number from -9223372036854775807 to 9223372036854775806"},
  };
  for (const Refusal& one : refusals) {
    EXPECT_EQ(set(one.key, one.value), one.code) << one.key << " = " << one.value;
    EXPECT_EQ(error_.code, one.code);
    EXPECT_EQ(std::string(error_.message),
              std::string("config: ") + one.key + " = '" + one.value + "': " + one.message);
  }
  EXPECT_EQ(set("colour", "red"), WARDEN_E_UNKNOWN_CONFIG);
  EXPECT_STREQ(error_.message,
               "config: unknown key 'colour': expected backend, clock, dedupe_max, durability, "
               "hold, log_factor, mode, payload_max, segment_bytes, start, stripes or tick");
}

TEST_F(Config, ARefusalLeavesItAsItWas) {
  ASSERT_EQ(set("clock", "manual"), WARDEN_OK);
  ASSERT_EQ(set("start", "77"), WARDEN_OK);
  EXPECT_EQ(set("clock", "sundial"), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(set("start", "soon"), WARDEN_E_INVALID_ARGUMENT);
  warden_store* store = nullptr;
  ASSERT_EQ(warden_open(nullptr, config_, &store, nullptr), WARDEN_OK);
  warden_stats stats = WARDEN_STATS_INIT;
  ASSERT_EQ(warden_stats_get(store, &stats), WARDEN_OK);
  EXPECT_EQ(stats.now_ns, 77);
  EXPECT_EQ(warden_clock_advance(store, 78), WARDEN_OK) << "the clock is still manual";
  warden_free(store);
}

TEST_F(Config, NullsAreRefusedAndFreeTakesNull) {
  EXPECT_EQ(warden_config_new(nullptr), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_config_set(nullptr, "clock", "real", nullptr), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_config_set(config_, nullptr, "real", nullptr), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_config_set(config_, "clock", nullptr, nullptr), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_config_set(config_, "clock", "x", nullptr), WARDEN_E_INVALID_ARGUMENT)
      << "an error that nobody wants";
  EXPECT_EQ(warden_config_log(nullptr, nullptr, nullptr), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_config_log(config_, nullptr, nullptr), WARDEN_OK) << "no hook, as at first";
  EXPECT_EQ(warden_config_progress(nullptr, nullptr, nullptr), WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(warden_config_progress(config_, nullptr, nullptr), WARDEN_OK);
  warden_config_free(nullptr);
}

TEST_F(Config, AnErrorOfAnOlderCallerIsFilledAsFarAsItReaches) {
  struct Old {
    std::uint32_t struct_size;
    std::int32_t code;
    std::uint32_t line;
    std::uint32_t guard;
  } old{12, 0, 99, 0xfeedface};
  warden_error whole = WARDEN_ERROR_INIT;
  std::memcpy(&whole, &old, sizeof old);
  EXPECT_EQ(warden_config_set(config_, "clock", "x", &whole), WARDEN_E_INVALID_ARGUMENT);
  std::memcpy(&old, &whole, sizeof old);
  EXPECT_EQ(old.struct_size, 12u);
  EXPECT_EQ(old.code, WARDEN_E_INVALID_ARGUMENT);
  EXPECT_EQ(old.line, 0u);
  EXPECT_EQ(old.guard, 0xfeedfaceu) << "what the caller's struct does not have is not written";
}

}  // namespace
}  // namespace warden::test
