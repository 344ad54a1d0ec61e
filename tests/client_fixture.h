// What tests of the C++ client and the command line against a real server start
// from. (What happens when answers are lost, streams break or sessions expire
// is the same for every primitive; client/map_test and its fake server show
// it.)

#ifndef TESTS_CLIENT_FIXTURE_H_
#define TESTS_CLIENT_FIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "base/wait_until.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/run.h"
#include "client/client.h"
#include "gtest/gtest.h"
#include "tests/server_fixture.h"

namespace tests {

class RealClientTest : public ::testing::Test {
 protected:
  RealClientTest() { Connect(); }

  // Stops and starts the server with the same data; the session is another.
  void RestartServer() {
    session_.reset();
    connection_.reset();
    server_.Restart();
    Connect();
  }

  // Another session, over the same connection.
  std::unique_ptr<client::Session> OpenSession() {
    auto session = client::Session::Open(*connection_, {});
    CHECK(session.ok()) << session.status().ToString();
    return *std::move(session);
  }

  // Opens a primitive in the test's session, or another.
  template <class Primitive>
  Primitive Open(const std::string& name) {
    return Open<Primitive>(*session_, name);
  }
  template <class Primitive>
  static Primitive Open(client::Session& session, const std::string& name) {
    absl::StatusOr<Primitive> primitive = Primitive::Open(session, name);
    CHECK(primitive.ok()) << primitive.status().ToString();
    return *std::move(primitive);
  }

  // Runs a line of multiraftctl, cut at spaces. Returns what it printed, then
  // what it exited with unless that is 0.
  std::string Ctl(const std::string& line) {
    std::ostringstream out;
    cli::Interrupt interrupt;
    const cli::ExitCode code =
        cli::RunCli(absl::StrSplit(line, ' ', absl::SkipEmpty()),
                    {.out = out,
                     .err = out,
                     .interrupt = interrupt,
                     .default_server = server_.server().client_address()});
    if (code == cli::kOk) return out.str();
    return absl::StrCat(out.str(), "exit ", code, "\n");
  }

  // Until the partition has `count` commands that stay open: listeners,
  // waiters.
  void AwaitOpenCommands(uint64_t count) {
    EXPECT_TRUE(base::WaitUntil(
        [&] { return server_.Status().open_commands() == count; }));
  }
  // Until the server has so many streams.
  void AwaitStreams(size_t count) {
    EXPECT_TRUE(base::WaitUntil(
        [&] { return server_.server().open_streams() == count; }));
  }

  // Runs beside the test, once the partition has so many open commands.
  std::thread OnceOpen(uint64_t count, std::function<void()> run) {
    return std::thread([this, count, run = std::move(run)] {
      AwaitOpenCommands(count);
      run();
    });
  }

  // The next item of a stream, or a failure of the test.
  template <class Item>
  static Item Next(client::Stream<Item>& stream) {
    absl::StatusOr<std::optional<Item>> item = stream.Next();
    EXPECT_TRUE(item.ok()) << item.status().ToString();
    if (!item.ok()) return Item();
    EXPECT_TRUE(item->has_value()) << "the stream ended";
    return std::move(*item).value_or(Item());
  }

  TestServer server_;
  std::unique_ptr<client::Connection> connection_;
  std::unique_ptr<client::Session> session_;

 private:
  void Connect() {
    connection_ = std::make_unique<client::Connection>(
        client::ConnectionOptions{.server = server_.server().client_address()});
    session_ = OpenSession();
  }
};

}  // namespace tests

#endif  // TESTS_CLIENT_FIXTURE_H_
