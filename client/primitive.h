// Primitive is the part that all primitives have in common: one opened
// primitive of a session, and the envelope {headers, input} -> {headers,
// output} in which every RPC of every primitive travels. A class such as
// Counter owns one and says what the RPCs mean.
//
// Thread-safe. The session outlives it and its streams, or is kept by them if a
// shared_ptr owns it.

#ifndef CLIENT_PRIMITIVE_H_
#define CLIENT_PRIMITIVE_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "atomix/multiraft/v1/headers.pb.h"
#include "base/status_macros.h"
#include "client/operation_stream.h"
#include "client/primitive_name.h"
#include "client/request.h"
#include "client/session.h"
#include "client/stream.h"
#include "client/stubs.h"
#include "client/wait_options.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/sync_stream.h"

namespace client {

// Opens the primitive `name` of type `service` (such as
// "atomix.multiraft.map.v1.Map") for the session, creating it if there is none,
// and returns its id. kPermissionDenied: it exists with another type, or the
// server does not know the type.
absl::StatusOr<uint64_t> OpenPrimitive(Session& session,
                                       absl::string_view service,
                                       const PrimitiveName& name);

// The session no longer uses the primitive.
absl::Status ClosePrimitive(Session& session, uint64_t primitive_id);

// What a call of a session may take until.
int64_t CallDeadlineNanos(Session& session);

template <class Service>
class Primitive {
 public:
  using Stub = typename Service::Stub;
  template <class Req, class Response>
  using Unary = grpc::Status (Stub::*)(grpc::ClientContext*, const Req&,
                                       Response*);
  template <class Response>
  using OutputOf =
      std::decay_t<decltype(std::declval<const Response&>().output())>;

  static absl::StatusOr<Primitive> Open(Session& session,
                                        const PrimitiveName& name) {
    ASSIGN_OR_RETURN(
        const uint64_t id,
        OpenPrimitive(session, Service::service_full_name(), name));
    return Primitive(session, id);
  }

  // Runs a unary RPC until it is answered or its time is over.
  template <class Req, class Response, class Input>
  absl::StatusOr<OutputOf<Response>> Run(Unary<Req, Response> method,
                                         Input input) {
    return Wait(method, std::move(input), {.limit = absl::ZeroDuration()});
  }

  // The same; `number(input, sequence_num)` is told the request's number before
  // it is sent.
  template <class Req, class Response, class Input, class Number>
  absl::StatusOr<OutputOf<Response>> Run(Unary<Req, Response> method,
                                         Input input, Number number) {
    return Call(method, std::move(input), {.limit = absl::ZeroDuration()},
                number);
  }

  // The same for an RPC that the server answers when what it waits for has come
  // about: its time is the wait's and a call's.
  template <class Req, class Response, class Input>
  absl::StatusOr<OutputOf<Response>> Wait(Unary<Req, Response> method,
                                          Input input,
                                          const WaitOptions& options) {
    return Call(method, std::move(input), options, [](Input&, uint64_t) {});
  }

  // Asks for a stream. `open` is the RPC, `convert` makes an item of an output;
  // `restarted` as in OperationStream.
  template <class Item, class Req, class Response, class Input>
  std::unique_ptr<Stream<Item>> Watch(
      std::unique_ptr<grpc::ClientReader<Response>> (Stub::*open)(
          grpc::ClientContext*, const Req&),
      Input input,
      std::type_identity_t<std::function<Item(OutputOf<Response>)>> convert,
      std::type_identity_t<std::function<Item()>> restarted, StreamEnd end) {
    Req message;
    *message.mutable_input() = std::move(input);
    const int64_t deadline_ns = end == StreamEnd::kNatural
                                    ? CallDeadlineNanos(*session_)
                                    : std::numeric_limits<int64_t>::max();
    auto request = std::make_unique<Request>(
        *session_, KindOf(message.headers()), deadline_ns);
    request->Fill(id_, *message.mutable_headers());
    // The stream may outlive this object.
    auto opener = [stubs = stubs_, open, message = std::move(message)](
                      grpc::ClientContext& context,
                      const std::shared_ptr<grpc::ChannelInterface>& channel) {
      return ((*stubs->On(channel)).*open)(&context, message);
    };
    return std::make_unique<OperationStream<Response, Item>>(
        std::move(request), std::move(opener), std::move(convert),
        std::move(restarted), end);
  }

  // Ends this session's use; streams of it end.
  absl::Status Close() { return ClosePrimitive(*session_, id_); }

  uint64_t id() const { return id_; }
  Session& session() const { return *session_; }

 private:
  Primitive(Session& session, uint64_t id)
      : keep_(session.weak_from_this().lock()), session_(&session), id_(id) {}

  static Request::Kind KindOf(
      const atomix::multiraft::v1::CommandRequestHeaders&) {
    return Request::Kind::kCommand;
  }
  static Request::Kind KindOf(
      const atomix::multiraft::v1::QueryRequestHeaders&) {
    return Request::Kind::kQuery;
  }

  // See Run and Wait.
  template <class Req, class Response, class Input, class Number>
  absl::StatusOr<OutputOf<Response>> Call(Unary<Req, Response> method,
                                          Input input,
                                          const WaitOptions& options,
                                          Number number) {
    Req message;
    *message.mutable_input() = std::move(input);
    Request request(*session_, KindOf(message.headers()),
                    DeadlineNanos(CallDeadlineNanos(*session_), options.limit));
    request.Fill(id_, *message.mutable_headers());
    number(*message.mutable_input(), message.headers().sequence_num());
    const std::stop_callback cancel(options.stop, [&request] {
      request.Cancel(absl::CancelledError("the call was cancelled"));
    });
    while (true) {
      grpc::ClientContext context;
      Response response;
      RETURN_IF_ERROR(request.Begin(context));
      const grpc::Status status = ((*stubs_->On(request.channel())).*method)(
          &context, message, &response);
      const std::optional<absl::Status> end = request.End(status, context);
      if (!end.has_value()) continue;
      RETURN_IF_ERROR(*end);
      RETURN_IF_ERROR(request.Read(response.headers().operation()));
      return std::move(*response.mutable_output());
    }
  }

  std::shared_ptr<Session> keep_;  // The session, if it is shared.
  Session* session_;               // Constant after construction; never null.
  uint64_t id_;
  std::shared_ptr<Stubs<Service>> stubs_ = std::make_shared<Stubs<Service>>();
};

}  // namespace client

#endif  // CLIENT_PRIMITIVE_H_
