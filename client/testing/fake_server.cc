#include "client/testing/fake_server.h"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/counter/v1/service.grpc.pb.h"
#include "atomix/multiraft/election/v1/service.grpc.pb.h"
#include "atomix/multiraft/map/v1/service.grpc.pb.h"
#include "atomix/multiraft/v1/partition.grpc.pb.h"
#include "atomix/multiraft/v1/session.grpc.pb.h"
#include "base/check.h"
#include "base/mutex.h"
#include "client/testing/stream_reactor.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"

namespace client {
namespace {

namespace core = atomix::multiraft::v1;
namespace counter = atomix::multiraft::counter::v1;
namespace election = atomix::multiraft::election::v1;
namespace map = atomix::multiraft::map::v1;
namespace admin = multiraft::admin::v1;

using Context = grpc::CallbackServerContext;
using Headers = core::OperationResponseHeaders;
using EventsReactor = StreamReactor<map::EventsResponse>;
using EntriesReactor = StreamReactor<map::EntriesResponse>;
using LeaderReactor = StreamReactor<core::WatchPartitionResponse>;

// What a primitive answers.
struct Answer {
  Headers::Status status = Headers::OK;
  std::string message;
};

struct Primitive {
  core::PrimitiveSpec spec;
  int64_t counter = 0;
  std::map<std::string, map::IndexedValue> entries;
  std::map<std::string, uint64_t> prepared;  // Which transaction has the key.
  election::Term term;
};

// A stream command: its outputs, and the stream they are sent to.
struct Listener {
  uint64_t primitive = 0;
  std::string key;  // "": all.
  std::map<uint64_t, map::EventsOutput> outputs;
  uint64_t last_output = 0;
  EventsReactor* stream = nullptr;
};

struct Session {
  std::map<uint64_t, std::string> answers;  // Encoded, by sequence number.
  std::map<uint64_t, Listener> listeners;   // By sequence number.
};

const core::SessionRequestHeaders& SessionOf(
    const core::OperationRequestHeaders& headers) {
  return headers.session().session();
}

}  // namespace

class FakeServer::Impl : public core::Partition::CallbackService {
 public:
  Impl()
      : sessions_service_(*this),
        counters_(*this),
        maps_(*this),
        elections_(*this),
        admin_(*this) {}

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    int port = 0;
    builder.AddListeningPort(address_.empty() ? "127.0.0.1:0" : address_,
                             grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    builder.RegisterService(&sessions_service_);
    builder.RegisterService(&counters_);
    builder.RegisterService(&maps_);
    builder.RegisterService(&elections_);
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
    CHECK(server_ != nullptr) << address_;
    address_ = absl::StrCat("127.0.0.1:", port);
  }

  void Stop() {
    if (server_ == nullptr) return;
    BreakStreams();
    server_->Shutdown(gpr_now(GPR_CLOCK_MONOTONIC));
    server_->Wait();
    server_ = nullptr;
  }

  // ---- Partition ----

  grpc::ServerUnaryReactor* OpenSession(
      Context* context, const core::OpenSessionRequest* request,
      core::OpenSessionResponse* response) override {
    base::MutexLock lock(mu_);
    return Plain("OpenSession", context, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      if (request->headers().partition_id() != 1) {
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "no such partition");
      }
      sessions_[++index_];
      response->mutable_headers()->set_index(index_);
      response->mutable_output()->set_session_id(index_);
      return grpc::Status::OK;
    });
  }

  grpc::ServerUnaryReactor* KeepAlive(
      Context* context, const core::KeepAliveRequest* request,
      core::KeepAliveResponse* response) override {
    base::MutexLock lock(mu_);
    keep_alives_.push_back(request->input());
    return Plain("KeepAlive", context, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      const auto session = sessions_.find(request->input().session_id());
      if (session == sessions_.end()) {
        return grpc::Status(grpc::StatusCode::DATA_LOSS, "session not found");
      }
      for (const auto& [sequence, output] :
           request->input().last_output_sequence_nums()) {
        const auto it = session->second.listeners.find(sequence);
        if (it == session->second.listeners.end()) continue;
        auto& outputs = it->second.outputs;
        outputs.erase(outputs.begin(), outputs.upper_bound(output));
      }
      response->mutable_headers()->set_index(++index_);
      response->mutable_output();
      return grpc::Status::OK;
    });
  }

  grpc::ServerUnaryReactor* CloseSession(
      Context* context, const core::CloseSessionRequest* request,
      core::CloseSessionResponse* response) override {
    base::MutexLock lock(mu_);
    return Plain("CloseSession", context, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      if (!Forget(request->input().session_id())) return NoSession();
      response->mutable_headers()->set_index(++index_);
      response->mutable_output();
      return grpc::Status::OK;
    });
  }

  grpc::ServerWriteReactor<core::WatchPartitionResponse>* Watch(
      Context*, const core::WatchPartitionRequest*) override {
    base::MutexLock lock(mu_);
    auto* reactor = NewStream<core::WatchPartitionResponse>(leader_streams_);
    if (const auto fault = Attempt("Watch", 0)) {
      reactor->End(Unavailable());
      return reactor;
    }
    reactor->Send(leader_);
    return reactor;
  }

  // ---- What the services have in common ----

  // An RPC that has no sequence number.
  template <class Run>
  grpc::ServerUnaryReactor* Plain(const char* rpc, Context* context, Run run)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto* reactor = context->DefaultReactor();
    const std::optional<Fault> fault = Attempt(rpc, 0);
    if (fault.has_value() && fault->kind != Fault::Kind::kLoseReply) {
      reactor->Finish(Refusal(*fault, context));
      return reactor;
    }
    const grpc::Status status = run();
    reactor->Finish(fault.has_value() ? Refusal(*fault, context) : status);
    return reactor;
  }

  // A command: run once, answered from memory after that.
  template <class Request, class Response, class Run>
  grpc::ServerUnaryReactor* Command(const char* rpc, Context* context,
                                    const Request* request, Response* response,
                                    Run run) {
    base::MutexLock lock(mu_);
    auto* reactor = context->DefaultReactor();
    const uint64_t sequence = request->headers().sequence_num();
    const std::optional<Fault> fault = Attempt(rpc, sequence);
    if (fault.has_value() && fault->kind != Fault::Kind::kLoseReply) {
      reactor->Finish(Refusal(*fault, context));
      return reactor;
    }
    const auto session =
        sessions_.find(SessionOf(request->headers().operation()).session_id());
    if (session == sessions_.end()) {
      reactor->Finish(NoSession());
      return reactor;
    }
    std::string& answer = session->second.answers[sequence];
    if (answer.empty()) {
      ++index_;
      response->mutable_output();
      response->mutable_headers()->set_output_sequence_num(1);
      Set(run(), *response);
      answer = response->SerializeAsString();
    }
    CHECK(response->ParseFromString(answer));
    SetIndex(*response);
    reactor->Finish(fault.has_value() ? Refusal(*fault, context)
                                      : grpc::Status::OK);
    return reactor;
  }

  // A command or query of a primitive; `run` gets it.
  template <class Request, class Response, class Run>
  grpc::ServerUnaryReactor* OnPrimitive(const char* rpc, Context* context,
                                        const Request* request,
                                        Response* response, Run run) {
    const auto apply = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      const auto it = primitives_.find(
          request->headers().operation().session().primitive_id());
      if (it == primitives_.end()) {
        return Answer{Headers::FORBIDDEN, "primitive not found"};
      }
      return run(it->first, it->second, request->input(),
                 *response->mutable_output());
    };
    if constexpr (std::is_same_v<std::decay_t<decltype(request->headers())>,
                                 core::CommandRequestHeaders>) {
      return Command(rpc, context, request, response, apply);
    } else {
      base::MutexLock lock(mu_);
      return Plain(rpc, context, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        if (sessions_.count(
                SessionOf(request->headers().operation()).session_id()) == 0) {
          return NoSession();
        }
        response->mutable_output();
        Set(apply(), *response);
        SetIndex(*response);
        return grpc::Status::OK;
      });
    }
  }

  template <class Response>
  void Set(const Answer& answer, Response& response) {
    Headers& headers = *response.mutable_headers()->mutable_operation();
    headers.set_status(answer.status);
    headers.set_message(answer.message);
    if (answer.status != Headers::OK) response.clear_output();
  }

  template <class Response>
  void SetIndex(Response& response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    response.mutable_headers()
        ->mutable_operation()
        ->mutable_session()
        ->mutable_session()
        ->mutable_partition()
        ->set_index(index_);
  }

  // Notes an attempt and says what it meets.
  std::optional<Fault> Attempt(const std::string& rpc, uint64_t sequence)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    attempts_[rpc].push_back(sequence);
    changed_.SignalAll();
    std::deque<Fault>& faults = faults_[rpc];
    if (faults.empty()) return std::nullopt;
    Fault fault = faults.front();
    faults.pop_front();
    return fault;
  }

  // How a call that meets `fault` ends.
  static grpc::Status Refusal(const Fault& fault, Context* context) {
    if (fault.retry_after_ms != 0) {
      context->AddTrailingMetadata("multiraft-retry-after-ms",
                                   absl::StrCat(fault.retry_after_ms));
    }
    if (fault.kind == Fault::Kind::kAnswer) {
      if (fault.not_proposed) {
        context->AddTrailingMetadata("multiraft-outcome", "not-proposed");
      }
      return grpc::Status(static_cast<grpc::StatusCode>(fault.code),
                          fault.message);  // The same numbers.
    }
    context->AddTrailingMetadata(
        "multiraft-outcome",
        fault.kind == Fault::Kind::kRefuse ? "not-proposed" : "unknown");
    return Unavailable();
  }

  static grpc::Status Unavailable() {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "as the test asked");
  }
  static grpc::Status NoSession() {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                        "session not found");
  }

  template <class Response>
  StreamReactor<Response>* NewStream(
      std::set<StreamReactor<Response>*>& streams)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    // Filled in below: the reactor's end needs to know the reactor.
    auto self = std::make_shared<StreamReactor<Response>*>(nullptr);
    *self = new StreamReactor<Response>([this, self, &streams] {
      base::MutexLock lock(mu_);
      streams.erase(*self);
      if constexpr (std::is_same_v<Response, map::EventsResponse>) {
        Detach(*self);
      }
      changed_.SignalAll();
    });
    streams.insert(*self);
    changed_.SignalAll();
    return *self;
  }

  void Detach(EventsReactor* stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (auto& [id, session] : sessions_) {
      for (auto& [sequence, listener] : session.listeners) {
        if (listener.stream == stream) listener.stream = nullptr;
      }
    }
  }

  bool Forget(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto session = sessions_.find(id);
    if (session == sessions_.end()) return false;
    for (auto& [sequence, listener] : session->second.listeners) {
      if (listener.stream != nullptr) listener.stream->End(grpc::Status::OK);
    }
    sessions_.erase(session);
    return true;
  }

  void BreakStreams() {
    base::MutexLock lock(mu_);
    for (auto* stream : leader_streams_) stream->End(Unavailable());
    for (auto* stream : events_streams_) stream->End(Unavailable());
    for (auto* stream : entries_streams_) stream->End(Unavailable());
  }

  // ---- Map ----

  Answer Write(uint64_t id, Primitive& primitive, const std::string& key,
               const std::string& value, map::IndexedValue* prev)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    map::Event event;
    event.set_key(key);
    map::IndexedValue& entry = primitive.entries[key];
    if (entry.index() != 0) {
      *event.mutable_updated()->mutable_prev_value() = entry;
      if (prev != nullptr) *prev = entry;
    }
    entry.set_value(value);
    entry.set_index(index_);
    if (event.has_updated()) {
      *event.mutable_updated()->mutable_value() = entry;
    } else {
      *event.mutable_inserted()->mutable_value() = entry;
    }
    Tell(id, event);
    TellWatchers(key, entry);
    return {};
  }

  Answer Check(const Primitive& primitive, const std::string& key,
               uint64_t prev_index) {
    const auto it = primitive.entries.find(key);
    const uint64_t index =
        it == primitive.entries.end() ? 0 : it->second.index();
    if (prev_index == 0 || prev_index == index) return {};
    return {Headers::CONFLICT,
            absl::StrCat("the index is ", index, ", not ", prev_index)};
  }

  void Tell(uint64_t primitive, const map::Event& event)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (auto& [id, session] : sessions_) {
      for (auto& [sequence, listener] : session.listeners) {
        if (listener.primitive != primitive) continue;
        if (!listener.key.empty() && listener.key != event.key()) continue;
        *listener.outputs[++listener.last_output].mutable_event() = event;
        if (!hold_outputs_) SendOutput(listener, listener.last_output);
      }
    }
  }

  void TellWatchers(const std::string& key, const map::IndexedValue& value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    map::EntriesResponse response;
    SetIndex(response);
    response.mutable_output()->mutable_entry()->set_key(key);
    *response.mutable_output()->mutable_entry()->mutable_value() = value;
    for (EntriesReactor* stream : entries_streams_) stream->Send(response);
  }

  void SendOutput(Listener& listener, uint64_t number)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto it = listener.outputs.find(number);
    if (listener.stream == nullptr || it == listener.outputs.end()) return;
    map::EventsResponse response;
    SetIndex(response);
    response.mutable_headers()->set_output_sequence_num(number);
    *response.mutable_output() = it->second;
    listener.stream->Send(std::move(response));
  }

  grpc::ServerWriteReactor<map::EventsResponse>* Events(
      const map::EventsRequest& request) {
    base::MutexLock lock(mu_);
    EventsReactor* reactor = NewStream<map::EventsResponse>(events_streams_);
    const uint64_t sequence = request.headers().sequence_num();
    if (Attempt("Events", sequence).has_value()) {
      reactor->End(Unavailable());
      return reactor;
    }
    const auto session =
        sessions_.find(SessionOf(request.headers().operation()).session_id());
    if (session == sessions_.end()) {
      reactor->End(NoSession());
      return reactor;
    }
    const auto [it, is_new] =
        session->second.listeners.emplace(sequence, Listener());
    if (is_new) ++index_;
    Listener& listener = it->second;
    listener.primitive = request.headers().operation().session().primitive_id();
    listener.key = request.input().key();
    listener.stream = reactor;
    if (hold_outputs_ && attempts_["Events"].size() == 1) return reactor;
    for (const auto& [number, output] : listener.outputs) {
      SendOutput(listener, number);
    }
    return reactor;
  }

  grpc::ServerWriteReactor<map::EntriesResponse>* Entries(
      const map::EntriesRequest& request) {
    base::MutexLock lock(mu_);
    std::set<EntriesReactor*>& streams =
        request.input().watch() ? entries_streams_ : listings_;
    EntriesReactor* reactor = NewStream<map::EntriesResponse>(streams);
    const bool fails =
        Attempt("Entries", request.headers().sequence_num()).has_value();
    const Primitive& primitive =
        primitives_[request.headers().operation().session().primitive_id()];
    for (const auto& [key, value] : primitive.entries) {
      map::EntriesResponse response;
      SetIndex(response);
      response.mutable_output()->mutable_entry()->set_key(key);
      *response.mutable_output()->mutable_entry()->mutable_value() = value;
      reactor->Send(std::move(response));
      if (fails) break;  // In the middle.
    }
    if (fails) {
      reactor->End(Unavailable());
    } else if (!request.input().watch()) {
      reactor->End(grpc::Status::OK);
    }
    return reactor;
  }

  class SessionService : public core::Session::CallbackService {
   public:
    explicit SessionService(Impl& impl) : impl_(impl) {}

    grpc::ServerUnaryReactor* CreatePrimitive(
        Context* context, const core::CreatePrimitiveRequest* request,
        core::CreatePrimitiveResponse* response) override {
      return impl_.Command(
          "CreatePrimitive", context, request, response,
          [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
            const core::PrimitiveSpec& spec = request->input().spec();
            for (const auto& [id, primitive] : impl_.primitives_) {
              if (primitive.spec.name() != spec.name()) continue;
              if (primitive.spec.service() != spec.service()) {
                return Answer{Headers::FORBIDDEN, "it has another type"};
              }
              response->mutable_output()->set_primitive_id(id);
              return Answer{};
            }
            impl_.primitives_[impl_.index_].spec = spec;
            response->mutable_output()->set_primitive_id(impl_.index_);
            return Answer{};
          });
    }

    grpc::ServerUnaryReactor* ClosePrimitive(
        Context* context, const core::ClosePrimitiveRequest* request,
        core::ClosePrimitiveResponse* response) override {
      return impl_.Command("ClosePrimitive", context, request, response,
                           [] { return Answer{}; });
    }

   private:
    Impl& impl_;
  };

  class CounterService : public counter::Counter::CallbackService {
   public:
    explicit CounterService(Impl& impl) : impl_(impl) {}

#define FAKE_COUNTER_RPC(Rpc, change)                                        \
  grpc::ServerUnaryReactor* Rpc(Context* context,                            \
                                const counter::Rpc##Request* request,        \
                                counter::Rpc##Response* response) override { \
    return impl_.OnPrimitive(                                                \
        #Rpc, context, request, response,                                    \
        [](uint64_t, Primitive& primitive,                                   \
           [[maybe_unused]] const counter::Rpc##Input& input,                \
           counter::Rpc##Output& output) {                                   \
          int64_t& value = primitive.counter;                                \
          change;                                                            \
          output.set_value(value);                                           \
          return Answer{};                                                   \
        });                                                                  \
  }

    FAKE_COUNTER_RPC(Get, (void)value)
    FAKE_COUNTER_RPC(Set, value = input.value())
    FAKE_COUNTER_RPC(Increment, value += input.delta())
    FAKE_COUNTER_RPC(Decrement, value -= input.delta())
    FAKE_COUNTER_RPC(Update, if (value != input.compare()) return Answer(
                                 {Headers::CONFLICT,
                                  absl::StrCat("the value is ", value)});
                     value = input.update())
#undef FAKE_COUNTER_RPC

   private:
    Impl& impl_;
  };

  class MapService : public map::Map::CallbackService {
   public:
    explicit MapService(Impl& impl) : impl_(impl) {}

// One RPC of a map, with `id`, `primitive`, `input` and `output` in scope.
#define FAKE_MAP_RPC(Rpc, ...)                                           \
  grpc::ServerUnaryReactor* Rpc(Context* context,                        \
                                const map::Rpc##Request* request,        \
                                map::Rpc##Response* response) override { \
    return impl_.OnPrimitive(                                            \
        #Rpc, context, request, response,                                \
        [&]([[maybe_unused]] uint64_t id, Primitive & primitive,         \
            [[maybe_unused]] const map::Rpc##Input& input,               \
            [[maybe_unused]] map::Rpc##Output& output)                   \
            ABSL_NO_THREAD_SAFETY_ANALYSIS -> Answer __VA_ARGS__);       \
  }

    FAKE_MAP_RPC(Size, {
      output.set_size(primitive.entries.size());
      return {};
    })
    FAKE_MAP_RPC(Get, {
      const auto it = primitive.entries.find(input.key());
      if (it == primitive.entries.end()) return NoKey(input.key());
      *output.mutable_value() = it->second;
      return {};
    })
    FAKE_MAP_RPC(Put, {
      impl_.last_put_ = input;
      if (primitive.prepared.count(input.key()) != 0) {
        return {Headers::CONFLICT, "it is part of a transaction"};
      }
      Answer check = impl_.Check(primitive, input.key(), input.prev_index());
      if (check.status != Headers::OK) return check;
      const auto it = primitive.entries.find(input.key());
      if (it != primitive.entries.end() &&
          it->second.value() == input.value()) {
        output.set_index(it->second.index());
        return {};
      }
      map::IndexedValue prev;
      impl_.Write(id, primitive, input.key(), input.value(), &prev);
      output.set_index(impl_.index_);
      if (prev.index() != 0) *output.mutable_prev_value() = prev;
      return {};
    })
    FAKE_MAP_RPC(Insert, {
      if (primitive.entries.count(input.key()) != 0) {
        return {Headers::ALREADY_EXISTS, "there is such a key"};
      }
      impl_.Write(id, primitive, input.key(), input.value(), nullptr);
      output.set_index(impl_.index_);
      return {};
    })
    FAKE_MAP_RPC(Update, {
      if (primitive.entries.count(input.key()) == 0) return NoKey(input.key());
      Answer check = impl_.Check(primitive, input.key(), input.prev_index());
      if (check.status != Headers::OK) return check;
      impl_.Write(id, primitive, input.key(), input.value(),
                  output.mutable_prev_value());
      output.set_index(impl_.index_);
      return {};
    })
    FAKE_MAP_RPC(Remove, {
      const auto it = primitive.entries.find(input.key());
      if (it == primitive.entries.end()) return NoKey(input.key());
      Answer check = impl_.Check(primitive, input.key(), input.prev_index());
      if (check.status != Headers::OK) return check;
      *output.mutable_value() = it->second;
      map::Event event;
      event.set_key(input.key());
      *event.mutable_removed()->mutable_value() = it->second;
      primitive.entries.erase(it);
      impl_.Tell(id, event);
      impl_.TellWatchers(input.key(), output.value());
      return {};
    })
    FAKE_MAP_RPC(Clear, {
      primitive.entries.clear();
      return {};
    })
    FAKE_MAP_RPC(Prepare, {
      for (const map::MapInput& change : input.inputs()) {
        primitive.prepared[change.put().key()] = input.sequence_num();
      }
      return {};
    })
    FAKE_MAP_RPC(Abort, {
      std::erase_if(primitive.prepared, [&](const auto& held) {
        return held.second == input.sequence_num();
      });
      return {};
    })
#undef FAKE_MAP_RPC

    grpc::ServerWriteReactor<map::EventsResponse>* Events(
        Context*, const map::EventsRequest* request) override {
      return impl_.Events(*request);
    }
    grpc::ServerWriteReactor<map::EntriesResponse>* Entries(
        Context*, const map::EntriesRequest* request) override {
      return impl_.Entries(*request);
    }

   private:
    static Answer NoKey(const std::string& key) {
      return {Headers::NOT_FOUND, absl::StrCat("no key \"", key, "\"")};
    }

    Impl& impl_;
  };

  // One candidate has place.
  class ElectionService : public election::LeaderElection::CallbackService {
   public:
    explicit ElectionService(Impl& impl) : impl_(impl) {}

#define FAKE_ELECTION_RPC(Rpc, change)                                        \
  grpc::ServerUnaryReactor* Rpc(Context* context,                             \
                                const election::Rpc##Request* request,        \
                                election::Rpc##Response* response) override { \
    return impl_.OnPrimitive(                                                 \
        #Rpc, context, request, response,                                     \
        [](uint64_t, Primitive& primitive,                                    \
           [[maybe_unused]] const election::Rpc##Input& input,                \
           election::Rpc##Output& output) {                                   \
          election::Term& term = primitive.term;                              \
          change;                                                             \
          *output.mutable_term() = term;                                      \
          return Answer{};                                                    \
        });                                                                   \
  }

    FAKE_ELECTION_RPC(Enter, term.set_leader(input.candidate());
                      term.set_index(term.index() + 1))
    FAKE_ELECTION_RPC(Withdraw, if (term.leader() == input.candidate())
                                    term.clear_leader())
    FAKE_ELECTION_RPC(GetTerm, (void)term)
#undef FAKE_ELECTION_RPC

   private:
    Impl& impl_;
  };

  class AdminService : public admin::Admin::CallbackService {
   public:
    explicit AdminService(Impl& impl) : impl_(impl) {}

    grpc::ServerUnaryReactor* Status(Context* context,
                                     const admin::StatusRequest*,
                                     admin::StatusResponse* response) override {
      base::MutexLock lock(impl_.mu_);
      return impl_.Plain("Status", context,
                         [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
                           *response = impl_.status_;
                           return grpc::Status::OK;
                         });
    }

    grpc::ServerUnaryReactor* TransferLeader(
        Context* context, const admin::TransferLeaderRequest* request,
        admin::TransferLeaderResponse* response) override {
      base::MutexLock lock(impl_.mu_);
      return impl_.Plain("TransferLeader", context,
                         [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
                           response->set_leader_node(request->node_id());
                           return grpc::Status::OK;
                         });
    }

    // Holds partition 1 back.
    grpc::ServerUnaryReactor* ResumePartition(
        Context* context, const admin::ResumePartitionRequest* request,
        admin::ResumePartitionResponse*) override {
      base::MutexLock lock(impl_.mu_);
      return impl_.Plain("ResumePartition", context, [&] {
        return request->partition_id() == 1
                   ? grpc::Status::OK
                   : grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                                  "nothing is held back");
      });
    }

    grpc::ServerUnaryReactor* ChangeMembers(
        Context* context, const admin::ChangeMembersRequest* request,
        admin::ChangeMembersResponse* response) override {
      base::MutexLock lock(impl_.mu_);
      return impl_.Plain(
          "ChangeMembers", context, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
            impl_.changes_.push_back(*request);
            for (const auto& partition : impl_.status_.partitions()) {
              if (partition.partition_id() != request->partition_id()) continue;
              *response->mutable_members() = partition.members();
            }
            return grpc::Status::OK;
          });
    }

   private:
    Impl& impl_;
  };

  SessionService sessions_service_;
  CounterService counters_;
  MapService maps_;
  ElectionService elections_;
  AdminService admin_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;

  base::Mutex mu_;  // Before any reactor's.
  base::CondVar changed_;
  uint64_t index_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<uint64_t, Session> sessions_ ABSL_GUARDED_BY(mu_);
  std::map<uint64_t, Primitive> primitives_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::deque<Fault>> faults_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::vector<uint64_t>> attempts_ ABSL_GUARDED_BY(mu_);
  std::vector<core::KeepAliveInput> keep_alives_ ABSL_GUARDED_BY(mu_);
  map::PutInput last_put_ ABSL_GUARDED_BY(mu_);
  core::WatchPartitionResponse leader_ ABSL_GUARDED_BY(mu_);
  admin::StatusResponse status_ ABSL_GUARDED_BY(mu_);
  std::vector<admin::ChangeMembersRequest> changes_ ABSL_GUARDED_BY(mu_);
  bool hold_outputs_ ABSL_GUARDED_BY(mu_) = false;
  // Until gRPC is done with them.
  std::set<LeaderReactor*> leader_streams_ ABSL_GUARDED_BY(mu_);
  std::set<EventsReactor*> events_streams_ ABSL_GUARDED_BY(mu_);
  std::set<EntriesReactor*> entries_streams_ ABSL_GUARDED_BY(mu_);
  std::set<EntriesReactor*> listings_ ABSL_GUARDED_BY(mu_);
};

FakeServer::FakeServer() : impl_(std::make_unique<Impl>()) {
  ChangeLeader(1, 1);
  impl_->Start();
}
FakeServer::~FakeServer() { impl_->Stop(); }

const std::string& FakeServer::address() const { return impl_->address_; }
void FakeServer::Stop() { impl_->Stop(); }
void FakeServer::Start() { impl_->Start(); }

void FakeServer::Inject(const std::string& rpc, Fault fault, int times) {
  base::MutexLock lock(impl_->mu_);
  for (int i = 0; i < times; ++i) impl_->faults_[rpc].push_back(fault);
}

void FakeServer::Expire(uint64_t session) {
  base::MutexLock lock(impl_->mu_);
  impl_->Forget(session);
}

void FakeServer::BreakStreams() { impl_->BreakStreams(); }

void FakeServer::HoldOutputs(bool hold) {
  base::MutexLock lock(impl_->mu_);
  impl_->hold_outputs_ = hold;
}

void FakeServer::SendOutputs(const std::vector<uint64_t>& numbers) {
  base::MutexLock lock(impl_->mu_);
  for (auto& [id, session] : impl_->sessions_) {
    for (auto& [sequence, listener] : session.listeners) {
      for (const uint64_t number : numbers) {
        impl_->SendOutput(listener, number);
      }
    }
  }
}

void FakeServer::ChangeLeader(uint64_t term, uint64_t leader) {
  base::MutexLock lock(impl_->mu_);
  core::LeaderUpdatedEvent& event = *impl_->leader_.mutable_leader_updated();
  event.set_term(term);
  event.set_leader(leader);
  for (LeaderReactor* stream : impl_->leader_streams_) {
    stream->Send(impl_->leader_);
  }
}

std::vector<admin::ChangeMembersRequest> FakeServer::changes() const {
  base::MutexLock lock(impl_->mu_);
  return impl_->changes_;
}

void FakeServer::SetStatus(admin::StatusResponse status) {
  base::MutexLock lock(impl_->mu_);
  impl_->status_ = std::move(status);
}

void FakeServer::PutFromElsewhere(const std::string& key,
                                  const std::string& value) {
  base::MutexLock lock(impl_->mu_);
  ++impl_->index_;
  for (auto& [id, primitive] : impl_->primitives_) {
    impl_->Write(id, primitive, key, value, nullptr);
  }
}

std::vector<uint64_t> FakeServer::attempts(const std::string& rpc) const {
  base::MutexLock lock(impl_->mu_);
  return impl_->attempts_[rpc];
}

std::vector<core::KeepAliveInput> FakeServer::keep_alives() const {
  base::MutexLock lock(impl_->mu_);
  return impl_->keep_alives_;
}

map::PutInput FakeServer::last_put() const {
  base::MutexLock lock(impl_->mu_);
  return impl_->last_put_;
}

size_t FakeServer::sessions() const {
  base::MutexLock lock(impl_->mu_);
  return impl_->sessions_.size();
}

void FakeServer::AwaitAttempts(const std::string& rpc, size_t count) {
  base::MutexLock lock(impl_->mu_);
  while (impl_->attempts_[rpc].size() < count) {
    impl_->changed_.Wait(impl_->mu_);
  }
}

void FakeServer::AwaitStreams(size_t count) {
  base::MutexLock lock(impl_->mu_);
  while (impl_->leader_streams_.size() + impl_->events_streams_.size() +
             impl_->entries_streams_.size() !=
         count) {
    impl_->changed_.Wait(impl_->mu_);
  }
}

}  // namespace client
