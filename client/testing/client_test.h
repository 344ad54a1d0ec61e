// ClientTest is what tests of the client start from: a fake server, a fake
// timer whose waits take no time, and a session on them.

#ifndef CLIENT_TESTING_CLIENT_TEST_H_
#define CLIENT_TESTING_CLIENT_TEST_H_

#include <memory>
#include <utility>

#include "base/check.h"
#include "client/client.h"
#include "client/testing/fake_server.h"
#include "client/testing/fake_timer.h"
#include "gtest/gtest.h"

namespace client {

class ClientTest : public ::testing::Test {
 protected:
  // No background thread: time that jumps would keep it busy.
  ClientTest() : session_(OpenSession()) {}

  std::unique_ptr<Session> OpenSession() {
    auto session = Session::Open(connection_, {.keep_alive = false});
    CHECK(session.ok()) << session.status();
    return *std::move(session);
  }

  static Fault Refuse() { return {Fault::Kind::kRefuse}; }
  static Fault LoseReply() { return {Fault::Kind::kLoseReply}; }

  FakeTimer timer_{FakeTimer::Waits::kForNothing};
  FakeServer server_;
  Connection connection_{
      {.server = server_.address(), .timer = &timer_, .seed = 1}};
  std::unique_ptr<Session> session_;
};

}  // namespace client

#endif  // CLIENT_TESTING_CLIENT_TEST_H_
