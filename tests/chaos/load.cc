#include "tests/chaos/load.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/wait_until.h"
#include "tests/raw_session.h"

namespace tests {
namespace {

constexpr int64_t kPauseNsMin = 5'000'000;
constexpr int64_t kSessionTimeoutSeconds = 60;
constexpr int64_t kKeepAliveEveryNs = 10'000'000'000;
// Registers are left behind after so many calls, so that each can be judged.
constexpr uint64_t kCallsPerEpoch = 150;

int64_t NowNs() { return base::SystemClock().MonotonicNanos(); }

std::chrono::system_clock::time_point In(int64_t ns) {
  return std::chrono::system_clock::now() + std::chrono::nanoseconds(ns);
}

bool MayTryAgain(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
}

}  // namespace

class Load::Client {
 public:
  Client(Load& load, uint32_t partition, int number, uint64_t seed)
      : load_(load),
        partition_(partition),
        name_(absl::StrCat(partition, ".", number)),
        random_(seed) {
    for (const std::string& address : load_.options_.addresses) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
      arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
      // How long one attempt to connect may take.
      arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
      auto channel = grpc::CreateCustomChannel(
          address, grpc::InsecureChannelCredentials(), arguments);
      nodes_.push_back({.channel = channel,
                        .partitions = v1::Partition::NewStub(channel),
                        .sessions = v1::Session::NewStub(channel),
                        .counters = counter::Counter::NewStub(channel),
                        .maps = map::Map::NewStub(channel)});
    }
    node_ = random_.Below(nodes_.size());
    if (!load_.is_used_[node_].load()) TurnToAnother();
  }

  void Run() {
    if (!Open()) return;
    while (!load_.stop_.load() && ok_) {
      if (NowNs() - kept_alive_ns_ > kKeepAliveEveryNs) KeepAlive();
      switch (random_.Below(4)) {
        case 0:
          Increment(own_);
          break;
        case 1:
          Increment(shared_);
          break;
        case 2:
          Put();
          break;
        default:
          Get();
      }
    }
  }

  // Opens a session and its primitives; false: that failed, or took too long
  // in a load that was stopped.
  bool Open() {
    v1::OpenSessionRequest request;
    request.mutable_headers()->set_partition_id(partition_);
    request.mutable_input()->mutable_timeout()->set_seconds(
        kSessionTimeoutSeconds);
    v1::OpenSessionResponse response;
    if (!Send("OpenSession", request, response, [](Node& node) {
          return std::make_pair(node.partitions.get(),
                                &v1::Partition::Stub::OpenSession);
        })) {
      return false;
    }
    session_ = response.output().session_id();
    kept_alive_ns_ = NowNs();
    own_ = Create(kCounterType, absl::StrCat("own-", name_));
    shared_ = Create(kCounterType, absl::StrCat("shared-", partition_));
    map_ = Create(kMapType, absl::StrCat("registers-", partition_));
    return own_ != 0 && shared_ != 0 && map_ != 0;
  }

  int64_t Read(uint64_t primitive) {
    counter::GetRequest request;
    Address(*request.mutable_headers());
    request.mutable_headers()
        ->mutable_operation()
        ->mutable_session()
        ->set_primitive_id(primitive);
    request.mutable_input();
    counter::GetResponse response;
    const bool answered =
        Send("Counter.Get", request, response, [](Node& node) {
          return std::make_pair(node.counters.get(),
                                &counter::Counter::Stub::Get);
        });
    return answered ? response.output().value() : -1;
  }

  // Opens a primitive; 0 if that failed.
  uint64_t Create(const std::string& type, const std::string& primitive) {
    v1::CreatePrimitiveRequest request;
    Address(*request.mutable_headers());
    request.mutable_input()->mutable_spec()->set_service(type);
    request.mutable_input()->mutable_spec()->set_name(primitive);
    v1::CreatePrimitiveResponse response;
    if (!Send("CreatePrimitive", request, response, [](Node& node) {
          return std::make_pair(node.sessions.get(),
                                &v1::Session::Stub::CreatePrimitive);
        })) {
      return 0;
    }
    return response.output().primitive_id();
  }

  const std::string& name() const { return name_; }
  uint32_t partition() const { return partition_; }
  uint64_t shared() const { return shared_; }
  int64_t own_acknowledged() const { return own_acknowledged_; }
  int64_t shared_acknowledged() const { return shared_acknowledged_; }

 private:
  // The stubs of one.
  struct Node {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<v1::Partition::Stub> partitions;
    std::unique_ptr<v1::Session::Stub> sessions;
    std::unique_ptr<counter::Counter::Stub> counters;
    std::unique_ptr<map::Map::Stub> maps;
  };

  PartitionState& state() { return load_.partitions_[partition_ - 1]; }

  template <class Headers>
  void Address(Headers& headers) {
    auto& session = *headers.mutable_operation()->mutable_session();
    session.mutable_session()->set_session_id(session_);
    session.mutable_session()->mutable_partition()->set_partition_id(
        partition_);
    headers.set_sequence_num(++sequence_);
    if constexpr (std::is_same_v<Headers, v1::QueryRequestHeaders>) {
      headers.set_max_received_index(seen_index_);
    }
  }

  // Takes the index, and reports a status that no command here should get.
  template <class Response>
  void See(const char* what, const Response& response) {
    if constexpr (requires { response.headers().operation(); }) {
      const v1::OperationResponseHeaders& operation =
          response.headers().operation();
      if (operation.status() != v1::OperationResponseHeaders::OK &&
          operation.status() != v1::OperationResponseHeaders::NOT_FOUND) {
        Fail(absl::StrCat(what, ": status ", operation.status(), " ",
                          operation.message()));
      }
      seen_index_ = std::max<uint64_t>(
          seen_index_, operation.session().session().partition().index());
    }
  }

  // Sends `request` until it is answered; false: the load is over and it was
  // not, or it was refused.
  template <class Request, class Response, class Method>
  bool Send(const char* what, const Request& request, Response& response,
            Method method) {
    const int64_t started_ns = NowNs();
    int64_t pause_ns = kPauseNsMin;
    while (ok_) {
      grpc::ClientContext context;
      context.set_deadline(In(load_.options_.attempt_timeout_ns));
      const int64_t sent_ns = NowNs();
      const auto [stub, call] = method(nodes_[node_]);
      response.Clear();
      const grpc::Status status = (stub->*call)(&context, request, &response);
      if (status.ok()) {
        See(what, response);
        load_.acknowledged_.fetch_add(1);
        if constexpr (requires { request.headers().max_received_index(); }) {
          return true;
        }
        // The first attempt may be long ago; the last one certainly was not
        // acknowledged before.
        std::atomic<int64_t>& last = state().last_write_ns;
        int64_t known = last.load();
        while (known < sent_ns && !last.compare_exchange_weak(known, sent_ns)) {
        }
        return true;
      }
      if (!MayTryAgain(status)) {
        Fail(absl::StrCat(what, ": ", status.error_code(), " ",
                          status.error_message()));
        return false;
      }
      // A stopped load waits for its answers, but not for ever.
      if (load_.stop_.load() && NowNs() - started_ns > 30'000'000'000) {
        Fail(absl::StrCat(what,
                          ": no answer at the end: ", status.error_message()));
        return false;
      }
      load_.sent_again_.fetch_add(1);
      TurnToAnother();
      Pause(pause_ns);
      // gRPC notices a new connection only while somebody waits in it.
      nodes_[node_].channel->WaitForConnected(In(load_.options_.pause_ns_max));
      pause_ns = std::min(2 * pause_ns, load_.options_.pause_ns_max);
    }
    return false;
  }

  void TurnToAnother() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      node_ = (node_ + 1) % nodes_.size();
      if (load_.is_used_[node_].load()) return;
    }
  }

  void Pause(int64_t ns) {
    const auto wait_ns = static_cast<uint64_t>(ns);
    base::WaitUntil([] { return false; },
                    {.timeout_ns = wait_ns, .look_every_ns = wait_ns});
  }

  void Fail(const std::string& problem) {
    ok_ = false;
    load_.Report(absl::StrCat("client ", name_, ": ", problem));
  }

  void KeepAlive() {
    v1::KeepAliveRequest request;
    request.mutable_headers()->set_partition_id(partition_);
    request.mutable_input()->set_session_id(session_);
    request.mutable_input()->set_input_filter(kEmptyFilter);
    request.mutable_input()->set_last_input_sequence_num(sequence_);
    v1::KeepAliveResponse response;
    Send("KeepAlive", request, response, [](Node& node) {
      return std::make_pair(node.partitions.get(),
                            &v1::Partition::Stub::KeepAlive);
    });
    kept_alive_ns_ = NowNs();
  }

  void Increment(uint64_t primitive) {
    counter::IncrementRequest request;
    Address(*request.mutable_headers());
    request.mutable_headers()
        ->mutable_operation()
        ->mutable_session()
        ->set_primitive_id(primitive);
    request.mutable_input()->set_delta(1);
    counter::IncrementResponse response;
    if (!Send("Increment", request, response, [](Node& node) {
          return std::make_pair(node.counters.get(),
                                &counter::Counter::Stub::Increment);
        })) {
      return;
    }
    if (primitive == shared_) {
      ++shared_acknowledged_;
      return;
    }
    // Nobody else adds to it: a lost or doubled one shows at once.
    ++own_acknowledged_;
    if (response.output().value() != own_acknowledged_) {
      Fail(absl::StrCat("its own counter says ", response.output().value(),
                        " behind ", own_acknowledged_, " increments"));
    }
  }

  std::string Register() {
    const uint64_t call = state().register_calls.fetch_add(1);
    return absl::StrCat("e", call / kCallsPerEpoch, ".", random_.Below(2));
  }

  void Put() {
    const std::string key = Register();
    map::PutRequest request;
    Address(*request.mutable_headers());
    request.mutable_headers()
        ->mutable_operation()
        ->mutable_session()
        ->set_primitive_id(map_);
    request.mutable_input()->set_key(key);
    const std::string value = absl::StrCat(name_, "-", ++puts_);
    request.mutable_input()->set_value(value);
    map::PutResponse response;
    RegisterHistory::Call call = {.is_put = true, .value = value};
    call.when.called = load_.registers_.Now();
    if (Send("Map.Put", request, response, [](Node& node) {
          return std::make_pair(node.maps.get(), &map::Map::Stub::Put);
        })) {
      call.when.returned = load_.registers_.Now();
      call.seen = response.output().prev_value().value();
    }
    load_.registers_.Add(absl::StrCat(partition_, "/", key), std::move(call));
  }

  void Get() {
    const std::string key = Register();
    map::GetRequest request;
    Address(*request.mutable_headers());
    request.mutable_headers()
        ->mutable_operation()
        ->mutable_session()
        ->set_primitive_id(map_);
    request.mutable_input()->set_key(key);
    map::GetResponse response;
    RegisterHistory::Call call;
    call.when.called = load_.registers_.Now();
    if (!Send("Map.Get", request, response, [](Node& node) {
          return std::make_pair(node.maps.get(), &map::Map::Stub::Get);
        })) {
      return;
    }
    call.when.returned = load_.registers_.Now();
    call.seen = response.output().value().value();
    load_.registers_.Add(absl::StrCat(partition_, "/", key), std::move(call));
  }

  Load& load_;
  const uint32_t partition_;
  const std::string name_;
  base::Random random_;
  std::vector<Node> nodes_;
  size_t node_ = 0;
  bool ok_ = true;

  uint64_t session_ = 0;
  uint64_t sequence_ = 0;
  uint64_t seen_index_ = 0;
  int64_t kept_alive_ns_ = 0;
  uint64_t own_ = 0;
  uint64_t shared_ = 0;
  uint64_t map_ = 0;
  uint64_t puts_ = 0;
  int64_t own_acknowledged_ = 0;
  int64_t shared_acknowledged_ = 0;
};

Load::Load(const LoadOptions& options)
    : options_(options),
      is_used_(options.addresses.size()),
      partitions_(options.partitions) {
  for (std::atomic<bool>& is_used : is_used_) is_used.store(true);
  base::Random random(options.seed);
  for (uint32_t partition = 1; partition <= options.partitions; ++partition) {
    for (int i = 0; i < options.clients_per_partition; ++i) {
      clients_.push_back(
          std::make_unique<Client>(*this, partition, i, random.Next()));
    }
  }
}

Load::~Load() { Stop(); }

void Load::Start() {
  for (auto& client : clients_) {
    threads_.emplace_back([&client] { client->Run(); });
  }
}

void Load::Stop() {
  stop_.store(true);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::vector<int64_t> Load::TimeToWrite(int64_t timeout_ns) {
  std::vector<uint32_t> all;
  for (uint32_t i = 1; i <= options_.partitions; ++i) all.push_back(i);
  return TimeToWrite(all, timeout_ns);
}

std::vector<int64_t> Load::TimeToWrite(const std::vector<uint32_t>& partitions,
                                       int64_t timeout_ns) {
  const int64_t started_ns = NowNs();
  std::vector<int64_t> took(partitions.size(), -1);
  size_t missing = took.size();
  const auto all_written = [&] {
    for (size_t i = 0; i < took.size(); ++i) {
      const PartitionState& state = partitions_[partitions[i] - 1];
      if (took[i] >= 0 || state.last_write_ns.load() < started_ns) continue;
      took[i] = NowNs() - started_ns;
      --missing;
    }
    return missing == 0;
  };
  base::WaitUntil(all_written,
                  {.timeout_ns = static_cast<uint64_t>(timeout_ns)});
  return took;
}

std::vector<std::string> Load::Check() {
  std::vector<std::string> problems = registers_.Check();
  // A session of its own in each partition reads what there is now.
  for (uint32_t partition = 1; partition <= options_.partitions; ++partition) {
    Client judge(*this, partition, 1'000'000, options_.seed);
    int64_t shared = 0;
    if (!judge.Open()) {
      problems.push_back(
          absl::StrCat("partition ", partition, ": cannot be read in the end"));
      continue;
    }
    for (const auto& client : clients_) {
      if (client->partition() != partition) continue;
      shared += client->shared_acknowledged();
      const int64_t own =
          judge.Read(judge.Create(kCounterType, "own-" + client->name()));
      if (own != client->own_acknowledged()) {
        problems.push_back(absl::StrCat(
            "client ", client->name(), ": its own counter is ", own, " behind ",
            client->own_acknowledged(), " increments"));
      }
    }
    const int64_t value = judge.Read(judge.shared());
    if (value != shared) {
      problems.push_back(absl::StrCat("partition ", partition,
                                      ": the shared counter is ", value,
                                      " behind ", shared, " increments"));
    }
  }
  base::MutexLock lock(mu_);
  problems.insert(problems.end(), problems_.begin(), problems_.end());
  return problems;
}

void Load::Report(const std::string& problem) {
  base::MutexLock lock(mu_);
  problems_.push_back(problem);
}

}  // namespace tests
