#include "base/help_scope.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace base {
namespace {

using Log = std::vector<std::string>;

// Notes that it was helped, and then does something.
class Fake : public Helped {
 public:
  Fake(Log& log, std::string name) : log_(log), name_(std::move(name)) {}
  void Help() override {
    log_.push_back(name_);
    if (then) then();
  }
  std::function<void()> then;

 private:
  Log& log_;
  const std::string name_;
};

class HelpScopeTest : public ::testing::Test {
 protected:
  Log log_;
  Fake a_{log_, "a"};
  Fake b_{log_, "b"};
};

TEST_F(HelpScopeTest, OutsideOfAScopeNothingIsPromised) {
  EXPECT_FALSE(HelpScope::Promise(a_));
  { HelpScope scope(1); }
  EXPECT_FALSE(HelpScope::Promise(a_));
  EXPECT_EQ(log_, Log{});
}

TEST_F(HelpScopeTest, HelpsAtItsEndAndNotBefore) {
  {
    HelpScope scope(1);
    EXPECT_TRUE(HelpScope::Promise(a_));
    EXPECT_TRUE(HelpScope::Promise(a_)) << "promised already";
    EXPECT_EQ(log_, Log{});
  }
  EXPECT_EQ(log_, Log{"a"});
}

TEST_F(HelpScopeTest, KnowsThatItHasPromised) {
  HelpScope outer(1);
  EXPECT_FALSE(outer.has_errand());
  HelpScope inner(1);
  EXPECT_TRUE(HelpScope::Promise(a_));
  EXPECT_TRUE(outer.has_errand());
  EXPECT_FALSE(inner.has_errand()) << "the outer one runs it";
}

TEST_F(HelpScopeTest, OneErrandAtATime) {
  HelpScope scope(2);
  EXPECT_TRUE(HelpScope::Promise(a_));
  EXPECT_FALSE(HelpScope::Promise(b_));
}

TEST_F(HelpScopeTest, WhatAnErrandLeavesIsTheNextOne) {
  a_.then = [this] { EXPECT_TRUE(HelpScope::Promise(b_)); };
  {
    HelpScope scope(2);
    EXPECT_TRUE(HelpScope::Promise(a_));
  }
  EXPECT_EQ(log_, (Log{"a", "b"}));
}

TEST_F(HelpScopeTest, ErrandsAreBounded) {
  int promised = 0;
  a_.then = [&] { promised += HelpScope::Promise(a_) ? 1 : 0; };
  {
    HelpScope scope(3);
    EXPECT_TRUE(HelpScope::Promise(a_));
  }
  EXPECT_EQ(promised, 2);
  EXPECT_EQ(log_, (Log{"a", "a", "a"}));
}

TEST_F(HelpScopeTest, AScopeWithinAScopeLeavesItToTheOuterOne) {
  HelpScope outer(1);
  {
    HelpScope inner(1);
    EXPECT_TRUE(HelpScope::Promise(a_));
  }
  EXPECT_EQ(log_, Log{});
  EXPECT_FALSE(HelpScope::Promise(b_)) << "the outer one's bound counts";
}

}  // namespace
}  // namespace base
