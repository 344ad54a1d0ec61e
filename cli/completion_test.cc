// The script for bash is run by bash; what it says is compared.

#include "cli/completion.h"

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cli {
namespace {

using ::testing::HasSubstr;

const std::vector<Flag>& Global() {
  static const auto& flags = *new std::vector<Flag>{
      {"server", "HOST:PORT", "The server"}, {"json", "", "One object a line"}};
  return flags;
}

const std::vector<const Group*>& Groups() {
  static const Group& map =
      *new Group{.name = "map",
                 .summary = "Maps: it's keys",
                 .verbs = {{.name = "put",
                            .summary = "Write",
                            .flags = {{"ttl", "DURATION", "How long"},
                                      {"quiet", "", "Print nothing"}}},
                           {.name = "prune", .summary = "Cut"}}};
  static const Group& status = *new Group{
      .name = "status",
      .summary = "The node",
      .verbs = {{.name = "", .flags = {{"watch", "", "Again and again"}}}}};
  static const auto& groups = *new std::vector<const Group*>{&map, &status};
  return groups;
}

// What bash proposes for a line that it cut into `words`, the last one being
// typed.
std::string Complete(const std::vector<std::string>& words) {
  const std::string file = absl::StrCat(::testing::TempDir(), "/completion.sh");
  std::ofstream(file) << BashCompletion(Groups(), Global())
                      << "COMP_WORDS=(multiraftctl '"
                      << absl::StrJoin(words, "' '") << "')\n"
                      << "COMP_CWORD=" << words.size() << "\n"
                      << "_multiraftctl\necho \"${COMPREPLY[*]}\"\n";
  FILE* bash = popen(absl::StrCat("bash ", file, " 2>&1").c_str(), "r");
  CHECK(bash != nullptr);
  std::string output;
  char buffer[4096];
  while (fgets(buffer, sizeof(buffer), bash) != nullptr) output += buffer;
  EXPECT_EQ(pclose(bash), 0);
  return output;
}

TEST(BashCompletionTest, ProposesWhatMayComeNext) {
  EXPECT_EQ(Complete({""}), "help map status\n");
  EXPECT_EQ(Complete({"m"}), "map\n");
  EXPECT_EQ(Complete({"map", ""}), "put prune\n");
  EXPECT_EQ(Complete({"map", "pr"}), "prune\n");
  EXPECT_EQ(Complete({"map", "put", ""}), "\n") << "a name is the user's";
  EXPECT_EQ(Complete({"status", ""}), "\n");
  EXPECT_EQ(Complete({"help", "map", "pu"}), "put\n");
}

TEST(BashCompletionTest, ProposesTheFlagsOfTheVerb) {
  EXPECT_EQ(Complete({"map", "put", "--"}),
            "--server= --json --ttl= --quiet\n");
  EXPECT_EQ(Complete({"map", "prune", "--"}), "--server= --json\n");
  EXPECT_EQ(Complete({"status", "--w"}), "--watch\n");
  EXPECT_EQ(Complete({"--j"}), "--json\n");
}

TEST(BashCompletionTest, FlagsAndTheirValuesAreNoWords) {
  EXPECT_EQ(Complete({"--json", "map", "p"}), "put prune\n");
  EXPECT_EQ(Complete({"--server", "=", "host", "map", "p"}), "put prune\n");
  EXPECT_EQ(Complete({"--server", "host", "map", "p"}), "put prune\n");
  EXPECT_EQ(Complete({"map", "--server", ""}), "\n") << "it is a value";
  EXPECT_EQ(Complete({"map", "--", ""}), "\n");
}

TEST(ZshCompletionTest, HasGroupsVerbsAndFlagsWithWhatTheyDo) {
  const std::string script = ZshCompletion(Groups(), Global());
  EXPECT_THAT(script, HasSubstr("#compdef multiraftctl\n"));
  EXPECT_THAT(script, HasSubstr("'map:Maps\\: it'\\''s keys'"));
  EXPECT_THAT(script, HasSubstr("map) names=('put:Write' 'prune:Cut') ;;\n"));
  EXPECT_THAT(script, HasSubstr("'map put') flags+=('--ttl=:How long' "
                                "'--quiet:Print nothing') ;;\n"));
  EXPECT_THAT(script,
              HasSubstr("'status') flags+=('--watch:Again and again')"));
}

TEST(CompletionTest, TheRealTableMakesAScriptThatBashTakes) {
  const std::string file = absl::StrCat(::testing::TempDir(), "/all.sh");
  std::ofstream(file) << BashCompletion(AllGroups(), GlobalFlags());
  FILE* bash = popen(absl::StrCat("bash -n ", file, " 2>&1").c_str(), "r");
  CHECK(bash != nullptr);
  EXPECT_EQ(pclose(bash), 0);
}

}  // namespace
}  // namespace cli
