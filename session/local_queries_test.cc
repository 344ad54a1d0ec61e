// Listings by position while items come and go. (Those by key are tested with
// the state machine, in streams_test.cc.)

#include "session/local_queries.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "session/limits.h"
#include "session/position_cursor.h"
#include "session/primitive.h"
#include "session/types.h"

namespace session {
namespace {

using ::testing::ElementsAre;
using Kind = LocalQueries::Read::Kind;

constexpr PrimitiveId kList{7};
constexpr uint32_t kListing = 1;
constexpr uint32_t kWatch = 2;

// Texts by position, as plain as can be.
class TextList : public Primitive {
 public:
  explicit TextList(LocalQueries& queries) : queries_(queries) {}

  const std::vector<std::string>& texts() const { return texts_; }

  void Insert(size_t at, const std::string& text) {
    texts_.insert(texts_.begin() + at, text);
    queries_.NotifyAt(kList, at, 1, absl::StrCat("insert ", at, " ", text));
  }
  void Remove(size_t at) {
    texts_.erase(texts_.begin() + at);
    queries_.NotifyAt(kList, at, -1, absl::StrCat("remove ", at));
  }
  void Set(size_t at, const std::string& text) {
    texts_[at] = text;
    queries_.NotifyAt(kList, at, 0, absl::StrCat("set ", at, " ", text));
  }

  Listing List(const StreamQuery&, absl::string_view cursor,
               const SliceBounds& bounds) const override {
    Listing listing{.by_position = true};
    PositionCursor at = PositionCursor::Decode(cursor);
    for (; at.next < texts_.size() && listing.outputs.size() < bounds.rows_max;
         ++at.next, ++at.listed) {
      listing.outputs.push_back(absl::StrCat(at.listed, " ", texts_[at.next]));
    }
    listing.done = at.next >= texts_.size();
    listing.cursor = at.Encode();
    return listing;
  }
  bool Watches(const StreamQuery& query) const override {
    return query.operation == kWatch;
  }

  void Command(CommandContext&, uint32_t, absl::string_view) override {}
  Result Query(uint32_t, absl::string_view) const override { return {}; }
  void TimerFired(PrimitiveContext&, absl::string_view) override {}
  void WaiterCancelled(PrimitiveContext&, CommandKey) override {}
  bool SessionClosed(PrimitiveContext&, SessionId, size_t) override {
    return true;
  }
  void Loaded(PrimitiveContext&) override {}

 private:
  LocalQueries& queries_;
  std::vector<std::string> texts_;
};

class PositionListingTest : public ::testing::Test {
 protected:
  QueryStreamId Open(uint32_t operation) {
    return queries_.Open({.session = SessionId(1),
                          .sequence = SequenceNum(1),
                          .primitive = kList,
                          .operation = operation},
                         list_);
  }
  // The next `count` outputs, or as many as there are.
  std::vector<std::string> Read(QueryStreamId id, size_t count = SIZE_MAX) {
    std::vector<std::string> outputs;
    while (outputs.size() < count) {
      const LocalQueries::Read read = queries_.ReadNext(id);
      if (read.kind == Kind::kEnded) outputs.push_back("end");
      if (read.kind == Kind::kOverflow) outputs.push_back("overflow");
      if (read.kind != Kind::kOutput) break;
      outputs.push_back(read.result.output);
    }
    return outputs;
  }
  void Fill(const std::string& letters) {
    for (char letter : letters) {
      list_.Insert(list_.texts().size(), std::string(1, letter));
    }
  }

  const Limits limits_ = {.listing_rows_max = 2, .watch_changes_max = 20};
  LocalQueries queries_{limits_};
  TextList list_{queries_};
};

TEST_F(PositionListingTest, NoneIsMissedOrTwiceWhenItemsMove) {
  Fill("abcdef");
  const QueryStreamId id = Open(kListing);
  EXPECT_THAT(Read(id, 2), ElementsAre("0 a", "1 b"));
  list_.Remove(0);
  EXPECT_THAT(Read(id, 2), ElementsAre("2 c", "3 d"));
  list_.Insert(1, "x");
  list_.Insert(0, "y");
  EXPECT_THAT(Read(id), ElementsAre("4 e", "5 f", "end"));
}

TEST_F(PositionListingTest, WatchersGetBehindTheListingWhatItHadShown) {
  Fill("abcd");
  const QueryStreamId id = Open(kWatch);
  list_.Set(3, "D");  // Before the first slice.
  EXPECT_THAT(Read(id, 1), ElementsAre("0 a"));
  list_.Set(1, "B");     // In the slice, not yet read by the client.
  list_.Insert(2, "x");  // At its end: still to be listed.
  list_.Remove(0);
  list_.Set(2, "C");
  EXPECT_THAT(Read(id),
              ElementsAre("1 b", "2 x", "3 C", "4 D", "set 1 B", "remove 0"));
  list_.Remove(3);
  EXPECT_THAT(Read(id), ElementsAre("remove 3"));
  EXPECT_THAT(list_.texts(), ElementsAre("B", "x", "C"));
}

TEST_F(PositionListingTest, AWatcherOfAnEmptyListGetsTheFirstItemOnce) {
  const QueryStreamId first = Open(kWatch);
  Fill("a");
  const QueryStreamId second = Open(kWatch);
  EXPECT_THAT(Read(first), ElementsAre("0 a"));
  EXPECT_THAT(Read(second), ElementsAre("0 a"));
  Fill("b");
  EXPECT_THAT(Read(first), ElementsAre("insert 1 b"));
  EXPECT_THAT(Read(second), ElementsAre("insert 1 b"));
}

TEST_F(PositionListingTest, TooManyChangesDuringAListingEndIt) {
  Fill("abcd");
  const QueryStreamId watch = Open(kWatch);
  const QueryStreamId plain = Open(kListing);
  Read(watch, 1);
  Read(plain, 1);
  for (int i = 0; i < 21; ++i) list_.Set(3, "x");
  EXPECT_THAT(Read(watch), ElementsAre("overflow"));
  EXPECT_THAT(Read(plain), ElementsAre("1 b", "2 c", "3 x", "end"));
}

TEST_F(PositionListingTest, AClosedListingIsForgotten) {
  Fill("abcd");
  const QueryStreamId watch = Open(kWatch);
  const QueryStreamId plain = Open(kListing);
  Read(watch, 1);
  Read(plain, 1);
  queries_.Close(watch);
  queries_.CancelSession(SessionId(1));
  Fill("e");
  EXPECT_THAT(Read(plain), ElementsAre("end"));
  EXPECT_EQ(queries_.size(), 0u);
}

// Clients that apply what they are told have the list in the end; those that
// only list have each item once that was there all the while.
TEST_F(PositionListingTest, EveryWatcherHasTheListInTheEnd) {
  struct Client {
    QueryStreamId id{};
    bool watches = false;
    bool done = false;
    std::vector<std::string> copy;
    std::set<std::string> always;  // There since it began, and not set.
  };
  base::Random random(5);
  const Limits limits = {.listing_rows_max = 3};
  LocalQueries queries(limits);
  TextList list(queries);
  std::vector<Client> clients;
  uint64_t next_text = 0;

  auto read = [&](Client& client) {
    const LocalQueries::Read got = queries.ReadNext(client.id);
    if (got.kind == Kind::kEnded) client.done = true;
    if (got.kind != Kind::kOutput) return false;
    const std::vector<std::string> words =
        absl::StrSplit(got.result.output, ' ');
    if (words.size() == 2 && words[0] != "remove") {
      EXPECT_EQ(words[0], absl::StrCat(client.copy.size()));
      client.copy.push_back(words[1]);
      return true;
    }
    size_t at = 0;
    EXPECT_TRUE(absl::SimpleAtoi(words[1], &at));
    EXPECT_LE(at, client.copy.size());
    if (words[0] == "insert") {
      client.copy.insert(client.copy.begin() + at, words[2]);
    } else if (words[0] == "remove") {
      client.copy.erase(client.copy.begin() + at);
    } else {
      client.copy[at] = words[2];
    }
    return true;
  };
  auto gone = [&](const std::string& text) {
    for (Client& client : clients) {
      if (!client.done) client.always.erase(text);
    }
  };

  for (int step = 0; step < 20'000 && !HasFailure(); ++step) {
    const size_t size = list.texts().size();
    const std::string text = absl::StrCat("t", ++next_text);
    if (clients.size() < 8 && random.OneIn(20)) {
      const bool watches = random.OneIn(2);
      clients.push_back(
          {.id = queries.Open({.session = SessionId(1),
                               .sequence = SequenceNum(1),
                               .primitive = kList,
                               .operation = watches ? kWatch : kListing},
                              list),
           .watches = watches,
           .always = {list.texts().begin(), list.texts().end()}});
    }
    switch (random.Below(6)) {
      case 0:
      case 1:
        if (size < 60) list.Insert(random.Below(size + 1), text);
        break;
      case 2:
        if (size == 0) break;
        gone(list.texts()[size / 2]);
        list.Remove(size / 2);
        break;
      case 3: {
        if (size == 0) break;
        const size_t at = random.Below(size);
        gone(list.texts()[at]);
        list.Set(at, text);
        break;
      }
      default:
        if (!clients.empty()) read(clients[random.Below(clients.size())]);
    }
    for (size_t i = 0; i < clients.size(); ++i) {
      Client& client = clients[i];
      if (client.watches && random.OneIn(200)) {
        while (read(client)) {
        }
        ASSERT_EQ(client.copy, list.texts());
        queries.Close(client.id);
        client.done = true;
      }
      if (!client.done) continue;
      if (!client.watches) {
        std::map<std::string, int> times;
        for (const std::string& item : client.copy) ++times[item];
        for (const auto& [item, count] : times) ASSERT_EQ(count, 1) << item;
        for (const std::string& item : client.always) {
          ASSERT_EQ(times.count(item), 1u) << item;
        }
      }
      clients.erase(clients.begin() + i--);
    }
  }
}

}  // namespace
}  // namespace session
