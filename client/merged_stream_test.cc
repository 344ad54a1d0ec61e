#include "client/merged_stream.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "client/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::base::testing::StatusIs;
using ::testing::UnorderedElementsAre;

struct Update {
  enum class Kind { kEntry, kRestarted };
  Kind kind = Kind::kEntry;
  std::string text;
};

// What a part brings, told by the test.
template <class Item>
class Source {
 public:
  void Send(Item item) {
    base::MutexLock lock(mu_);
    items_.push_back(std::move(item));
    changed_.SignalAll();
  }
  // The stream that is open now ends.
  void End(absl::Status why) {
    base::MutexLock lock(mu_);
    end_ = std::move(why);
    changed_.SignalAll();
  }
  void AwaitOpened(int times) {
    base::MutexLock lock(mu_);
    while (opened_ < times) changed_.Wait(mu_);
  }

  typename MergedStream<Item>::Opener opener() {
    return [this]() -> absl::StatusOr<std::unique_ptr<Stream<Item>>> {
      base::MutexLock lock(mu_);
      ++opened_;
      end_ = absl::OkStatus();
      changed_.SignalAll();
      return std::make_unique<Reader>(*this);
    };
  }

 private:
  class Reader : public Stream<Item> {
   public:
    explicit Reader(Source& source) : source_(source) {}
    absl::StatusOr<std::optional<Item>> Next() override {
      base::MutexLock lock(source_.mu_);
      while (source_.items_.empty() && source_.end_.ok()) {
        source_.changed_.Wait(source_.mu_);
      }
      if (!source_.end_.ok()) return source_.end_;
      std::optional<Item> item = std::move(source_.items_.front());
      source_.items_.pop_front();
      return item;
    }
    void Cancel() override { source_.End(absl::CancelledError("cancelled")); }

   private:
    Source& source_;
  };

  base::Mutex mu_;
  base::CondVar changed_;
  std::deque<Item> items_ ABSL_GUARDED_BY(mu_);
  absl::Status end_ ABSL_GUARDED_BY(mu_);
  int opened_ ABSL_GUARDED_BY(mu_) = 0;
};

Update Entry(const std::string& text) { return {.text = text}; }
Update Restarted() { return {.kind = Update::Kind::kRestarted}; }

class MergedStreamTest : public ::testing::Test {
 protected:
  std::string Next() {
    const auto item = stream_.Next();
    if (!item.ok()) return std::string(item.status().message());
    if (!item->has_value()) return "end";
    return (*item)->kind == Update::Kind::kRestarted ? "restarted"
                                                     : (*item)->text;
  }

  Source<Update> first_;
  Source<Update> second_;
  MergedStream<Update> stream_{{first_.opener(), second_.opener()}};
};

TEST_F(MergedStreamTest, BringsWhatAllPartsBring) {
  first_.Send(Entry("a"));
  second_.Send(Entry("b"));
  std::vector<std::string> both = {Next(), Next()};
  EXPECT_THAT(both, UnorderedElementsAre("a", "b"));
}

TEST_F(MergedStreamTest, ARestartOfOnePartRestartsAll) {
  first_.Send(Entry("a"));
  EXPECT_EQ(Next(), "a");
  second_.AwaitOpened(1);
  first_.Send(Restarted());
  EXPECT_EQ(Next(), "restarted");
  second_.AwaitOpened(2);
  first_.Send(Entry("c"));
  EXPECT_EQ(Next(), "c") << "of the stream that restarted by itself";
  second_.Send(Entry("d"));
  EXPECT_EQ(Next(), "d");
}

TEST_F(MergedStreamTest, ALostSessionRestartsAll) {
  first_.Send(Entry("a"));
  EXPECT_EQ(Next(), "a");
  first_.AwaitOpened(1);
  second_.AwaitOpened(1);
  first_.End(SessionLostError("gone"));
  EXPECT_EQ(Next(), "restarted");
  first_.AwaitOpened(2);
  second_.AwaitOpened(2);
  first_.Send(Entry("b"));
  EXPECT_EQ(Next(), "b");
}

TEST_F(MergedStreamTest, AnyOtherErrorIsTheEnd) {
  first_.Send(Entry("a"));
  EXPECT_EQ(Next(), "a");
  second_.AwaitOpened(1);
  second_.End(absl::ResourceExhaustedError("too slow"));
  EXPECT_EQ(Next(), "too slow");
  EXPECT_EQ(Next(), "too slow");
}

TEST_F(MergedStreamTest, CancelEndsIt) {
  first_.Send(Entry("a"));
  EXPECT_EQ(Next(), "a");
  stream_.Cancel();
  EXPECT_THAT(stream_.Next(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(MergedStreamTest, OneThatNobodyReadsOpensNothing) {
  stream_.Cancel();
  EXPECT_THAT(stream_.Next(), StatusIs(absl::StatusCode::kCancelled));
}

// Events have no restart: what was missed is not known.
TEST(MergedEventsTest, ALostSessionIsTheEnd) {
  Source<std::string> source;
  MergedStream<std::string> events({source.opener()});
  source.Send("a");
  ASSERT_OK_AND_ASSIGN(const auto item, events.Next());
  EXPECT_EQ(item, "a");
  source.End(SessionLostError("gone"));
  EXPECT_TRUE(IsSessionLost(events.Next().status()));
}

}  // namespace
}  // namespace client
