#include "server/controller_flags.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// The last one of each name counts.
std::map<std::string, std::string> Values(const std::vector<Setting>& all) {
  std::map<std::string, std::string> values;
  for (const Setting& setting : all) values[setting.name] = setting.value;
  return values;
}

Setting Set(const std::string& name, const std::string& value) {
  return {.name = name, .value = value, .where = "--" + name};
}

std::string WriteFile(const std::string& text) {
  const std::string path =
      absl::StrCat(std::getenv("TEST_TMPDIR"), "/raft.json");
  std::ofstream(path) << text;
  return path;
}

TEST(ControllerFlagsTest, OurOwnFlagsStayAsTheyAre) {
  ASSERT_OK_AND_ASSIGN(
      const auto settings,
      TranslateControllerFlags({Set("listen", "a:1"), Set("node", "2")}));
  EXPECT_THAT(Values(settings),
              ElementsAre(Pair("listen", "a:1"), Pair("node", "2")));
}

// As the controller of G1 starts a node (semantics 6.6).
TEST(ControllerFlagsTest, TheirsMeanAManagedNode) {
  const std::string file = WriteFile(
      R"({"heartbeatPeriod": "0.1s", "electionTimeout": "1s",
          "snapshotEntryThreshold": "10000", "compactionRetainEntries": 1000,
          "dataDir": "/d"})");
  ASSERT_OK_AND_ASSIGN(
      const auto settings,
      TranslateControllerFlags(
          {Set("c", file), Set("api-port", "5678"), Set("raft-port", "5679")}));
  EXPECT_THAT(
      Values(settings),
      ElementsAre(Pair("data_dir", "/d"),
                  Pair("election_timeout", "1000000000ns"),
                  Pair("heartbeat_interval", "100000000ns"),
                  Pair("listen", "0.0.0.0:5678"), Pair("managed", "true"),
                  Pair("peer_listen", "0.0.0.0:5679")));
}

TEST(ControllerFlagsTest, TheirDefaultsAreTheirs) {
  ASSERT_OK_AND_ASSIGN(const auto settings,
                       TranslateControllerFlags({Set("api-host", "h")}));
  EXPECT_THAT(Values(settings),
              ElementsAre(Pair("data_dir", "/var/lib/atomix/data"),
                          Pair("listen", "h:8080"), Pair("managed", "true"),
                          Pair("peer_listen", "0.0.0.0:5000")));
}

TEST(ControllerFlagsTest, OursWin) {
  const std::string file = WriteFile(R"({"data_dir": "/theirs"})");
  ASSERT_OK_AND_ASSIGN(
      const auto settings,
      TranslateControllerFlags({Set("data_dir", "/ours"), Set("config", file),
                                Set("listen", "a:1")}));
  EXPECT_THAT(Values(settings),
              ElementsAre(Pair("data_dir", "/ours"), Pair("listen", "a:1"),
                          Pair("managed", "true"),
                          Pair("peer_listen", "0.0.0.0:5000")));
}

// The controller's own writer prints nanoseconds.
TEST(ControllerFlagsTest, TimesMayBeNanoseconds) {
  ASSERT_OK_AND_ASSIGN(
      const auto settings,
      ParseControllerConfig(R"({"heartbeat_period": 250000000})"));
  EXPECT_THAT(Values(settings),
              UnorderedElementsAre(Pair("heartbeat_interval", "250000000ns"),
                                   Pair("election_timeout", "2500000000ns")));
  ASSERT_OK_AND_ASSIGN(const auto nothing, ParseControllerConfig("{}"));
  EXPECT_THAT(nothing, IsEmpty());
}

TEST(ControllerFlagsTest, WhatIsWrongIsNamed) {
  for (const auto& [json, what] :
       std::vector<std::pair<std::string, std::string>>{
           {"", "no JSON object"},
           {"{", "no JSON object"},
           {"[]", "no JSON object"},
           {R"({"heartbeat": "1s"})", "heartbeat: there is no such field"},
           {R"({"heartbeatPeriod": "soon"})",
            "heartbeatPeriod: \"soon\" is no time"},
           {R"({"electionTimeout": -1})", "electionTimeout: -1 is no time"},
           {R"({"electionTimeout": 1.5})", "is no time"},
           {R"({"dataDir": 7})", "dataDir: 7 is no directory"},
           {R"({"snapshotEntryThreshold": -1})", "-1 is no number"},
       }) {
    EXPECT_THAT(ParseControllerConfig(json).status(),
                StatusIs(kInvalid, HasSubstr(what)));
  }
  const std::string file = WriteFile("{]");
  EXPECT_THAT(TranslateControllerFlags({Set("config", file)}).status(),
              StatusIs(kInvalid, absl::StrCat("--config: ", file,
                                              ": it is no JSON object")));
  EXPECT_THAT(TranslateControllerFlags({Set("config", "/nowhere")}).status(),
              StatusIs(kInvalid, "--config: cannot read /nowhere"));
  EXPECT_THAT(TranslateControllerFlags({Set("api-port", "")}).status(),
              StatusIs(kInvalid, "--api-port has no value"));
}

}  // namespace
}  // namespace server
