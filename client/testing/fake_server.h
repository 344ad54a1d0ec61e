// FakeServer is a server with one partition in memory, over real gRPC on a free
// port, that misbehaves when told to: it loses answers, refuses, breaks
// streams, repeats and reorders outputs, forgets sessions. Counters, maps and
// elections work as far as the client's and the command line's tests need them;
// time to live is kept, not acted upon.
//
// Thread-safe.

#ifndef CLIENT_TESTING_FAKE_SERVER_H_
#define CLIENT_TESTING_FAKE_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "atomix/multiraft/v1/fsm.pb.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace client {

// What one call meets.
struct Fault {
  enum class Kind {
    kRefuse,     // It is not taken: UNAVAILABLE, and said to be not proposed.
    kLoseReply,  // It is taken, and answered UNAVAILABLE.
    kAnswer,     // It is not taken, and answered {code, message}.
  };
  Kind kind;
  int retry_after_ms = 0;  // Unless 0, the server asks for this pause.
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string message;
  bool not_proposed = false;  // kAnswer: it is said to be.
};

class FakeServer {
 public:
  // Listens.
  FakeServer();
  ~FakeServer();

  // "127.0.0.1:port".
  const std::string& address() const;

  // Ends every call and stops listening; the state stays.
  void Stop();
  // Listens again, at the same address.
  void Start();

  // The next `times` calls of `rpc`, such as "Put" or "KeepAlive", meet
  // `fault`. Faults that were asked for earlier come first.
  void Inject(const std::string& rpc, Fault fault, int times);

  // The session is gone, as after its timeout: its streams end.
  void Expire(uint64_t session);

  // Every stream ends with UNAVAILABLE.
  void BreakStreams();

  // While held, outputs of Events are kept but not sent...
  void HoldOutputs(bool hold);
  // ... except those with these numbers, to every Events stream, in this order.
  void SendOutputs(const std::vector<uint64_t>& numbers);

  // Another leader: told to those who watch.
  void ChangeLeader(uint64_t term, uint64_t leader);

  // What Admin.Status answers.
  void SetStatus(multiraft::admin::v1::StatusResponse status);

  // Adds a change to every map, as another client would.
  void PutFromElsewhere(const std::string& key, const std::string& value);

  // What it saw: the sequence numbers of every attempt of `rpc` (0 if it has
  // none), and all KeepAlives.
  std::vector<uint64_t> attempts(const std::string& rpc) const;
  std::vector<atomix::multiraft::v1::KeepAliveInput> keep_alives() const;
  atomix::multiraft::map::v1::PutInput last_put() const;
  std::vector<multiraft::admin::v1::ChangeMembersRequest> changes() const;
  size_t sessions() const;

  // Block until that many attempts of `rpc` were seen, streams are open.
  void AwaitAttempts(const std::string& rpc, size_t count);
  void AwaitStreams(size_t count);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace client

#endif  // CLIENT_TESTING_FAKE_SERVER_H_
