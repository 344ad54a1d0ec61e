// RawSession makes requests by hand, as a driver does, so that a test can send
// exactly what it means: right, wrong or twice.
//
// Not thread-safe.

#ifndef TESTS_RAW_SESSION_H_
#define TESTS_RAW_SESSION_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <cstdint>
#include <memory>
#include <string>

#include "atomix/multiraft/counter/v1/service.grpc.pb.h"
#include "atomix/multiraft/map/v1/service.grpc.pb.h"
#include "atomix/multiraft/v1/partition.grpc.pb.h"
#include "atomix/multiraft/v1/session.grpc.pb.h"

namespace tests {

namespace v1 = ::atomix::multiraft::v1;
namespace counter = ::atomix::multiraft::counter::v1;
namespace map = ::atomix::multiraft::map::v1;

// The filter a driver sends when it waits for nothing.
inline constexpr char kEmptyFilter[] =
    R"({"m":1,"k":9223372036854775808,"b":"AAAAAAAAAAA="})";

inline constexpr char kCounterType[] = "atomix.runtime.counter.v1.Counter";
inline constexpr char kMapType[] = "atomix.runtime.map.v1.Map";

// Every call has a deadline, so that a test fails rather than hangs.
class Call {
 public:
  Call();
  grpc::ClientContext* operator&() { return &context_; }
  grpc::ClientContext* operator->() { return &context_; }

  // Trailing metadata, when the call has ended; empty: there is none.
  std::string Trailer(const std::string& key) const;

 private:
  grpc::ClientContext context_;
};

class RawSession {
 public:
  // Opens a session on partition 1. The process ends if that fails.
  RawSession(std::shared_ptr<grpc::Channel> channel, double timeout_s = 60);

  // Goes on with a session over another channel, at the same numbers.
  RawSession(const RawSession& other, std::shared_ptr<grpc::Channel> channel);

  // Opens a primitive and returns its id; 0 if that failed.
  uint64_t Create(const std::string& type, const std::string& name);

  // Headers with the next number of the session.
  v1::CommandRequestHeaders CommandHeaders(uint64_t primitive);
  v1::QueryRequestHeaders QueryHeaders(uint64_t primitive);
  uint64_t last_sequence() const { return sequence_; }

  grpc::Status KeepAlive(const std::string& filter = kEmptyFilter);
  grpc::Status Close();

  // -1: it failed.
  int64_t Increment(uint64_t counter, int64_t delta);
  int64_t Read(uint64_t counter);
  bool Put(uint64_t map, const std::string& key, const std::string& value);
  // What is there; "?" if nothing is.
  std::string Get(uint64_t map, const std::string& key);
  // -1: it failed.
  int64_t Size(uint64_t map);

  uint64_t id() const { return id_; }
  v1::Partition::Stub& partitions() { return *partitions_; }
  v1::Session::Stub& sessions() { return *sessions_; }
  counter::Counter::Stub& counters() { return *counters_; }
  map::Map::Stub& maps() { return *maps_; }

 private:
  void Connect(std::shared_ptr<grpc::Channel> channel);
  void Address(uint64_t primitive, v1::OperationRequestHeaders& operation);

  std::unique_ptr<v1::Partition::Stub> partitions_;
  std::unique_ptr<v1::Session::Stub> sessions_;
  std::unique_ptr<counter::Counter::Stub> counters_;
  std::unique_ptr<map::Map::Stub> maps_;
  uint64_t id_ = 0;
  uint64_t sequence_ = 0;
};

}  // namespace tests

#endif  // TESTS_RAW_SESSION_H_
