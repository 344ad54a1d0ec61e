#include "server/async_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kLongNs = 60'000'000'000;

class AsyncLogTest : public ::testing::Test {
 protected:
  AsyncLogTest() { CHECK(pipe(pipe_) == 0); }
  ~AsyncLogTest() override {
    close(pipe_[0]);
    close(pipe_[1]);
  }

  // Fills the pipe, so that its next writer waits for a reader.
  size_t Fill() {
    const int flags = fcntl(pipe_[1], F_GETFL);
    fcntl(pipe_[1], F_SETFL, flags | O_NONBLOCK);
    const std::string bytes(1 << 12, '.');
    size_t filled = 0;
    for (ssize_t n; (n = write(pipe_[1], bytes.data(), bytes.size())) > 0;) {
      filled += static_cast<size_t>(n);
    }
    fcntl(pipe_[1], F_SETFL, flags);
    return filled;
  }

  std::string Read(size_t size) {
    std::string bytes(size, '\0');
    size_t got = 0;
    while (got < size) {
      const ssize_t n = read(pipe_[0], bytes.data() + got, size - got);
      CHECK(n > 0);
      got += static_cast<size_t>(n);
    }
    return bytes;
  }

  int pipe_[2];
};

TEST_F(AsyncLogTest, LinesComeInOrder) {
  AsyncLog log(pipe_[1], 1 << 20);
  log.Write("one\n");
  log.Write("two\n");
  EXPECT_TRUE(log.Flush(kLongNs));
  EXPECT_EQ(Read(8), "one\ntwo\n");
  EXPECT_EQ(log.dropped(), 0u);
}

TEST_F(AsyncLogTest, AReaderThatDoesNotReadStopsNobody) {  // U15
  const size_t filled = Fill();
  AsyncLog log(pipe_[1], 100);
  const std::string line = std::string(49, 'x') + "\n";
  // The first may be in the thread's hands, two are kept, the others go.
  for (int i = 0; i < 10; ++i) log.Write(line);
  EXPECT_GE(log.dropped(), 6u);
  EXPECT_FALSE(log.Flush(1));

  Read(filled);
  EXPECT_TRUE(log.Flush(kLongNs));
  const uint64_t dropped = log.dropped();
  log.Write("again\n");
  EXPECT_TRUE(log.Flush(kLongNs));
  std::string text = Read((10 - dropped) * line.size());
  while (text.find("nobody read them\n") == std::string::npos ||
         text.find("again\n") == std::string::npos) {
    text += Read(1);
  }
  EXPECT_THAT(text, HasSubstr("lines of the log were dropped"));
}

}  // namespace
}  // namespace server
