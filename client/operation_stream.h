// OperationStream is the Stream of one streaming RPC of a primitive.
//
// A command stream (Events) goes on where it broke: the same number is sent
// again, the server repeats what we have not acknowledged, and each output is
// passed on once and in order. A query stream (Entries) has no memory on the
// server: it begins anew, and says so with an item of its own.

#ifndef CLIENT_OPERATION_STREAM_H_
#define CLIENT_OPERATION_STREAM_H_

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/v1/headers.pb.h"
#include "base/status_macros.h"
#include "client/output_cursor.h"
#include "client/request.h"
#include "client/stream.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/sync_stream.h"

namespace client {

enum class StreamEnd {
  kNatural,  // It is a listing: its end is the end.
  kNone,     // It ends with its session only.
};

template <class Response, class Item>
class OperationStream : public Stream<Item> {
 public:
  using Output =
      std::decay_t<decltype(std::declval<const Response&>().output())>;
  using Reader = grpc::ClientReader<Response>;
  using Opener = std::function<std::unique_ptr<Reader>(
      grpc::ClientContext&,
      const std::shared_ptr<grpc::ChannelInterface>& channel)>;

  // `restarted`, for query streams, makes the item that says that the
  // connection broke and everything follows once more. Null: no such item.
  OperationStream(std::unique_ptr<Request> request, Opener open,
                  std::function<Item(Output)> convert,
                  std::function<Item()> restarted, StreamEnd end)
      : open_(std::move(open)),
        convert_(std::move(convert)),
        restarted_(std::move(restarted)),
        end_(end),
        request_(std::move(request)) {}

  ~OperationStream() override {
    if (reader_ == nullptr) return;
    Cancel();
    Drain();
    // What it says does not matter any more, but the context is let go.
    request_->Abandon(absl::CancelledError("stream destroyed"));
  }

  absl::StatusOr<std::optional<Item>> Next() override {
    while (result_.ok() && !done_) {
      if (reader_ == nullptr) {
        result_ = OpenReader();
        continue;
      }
      Response response;
      if (!reader_->Read(&response)) {
        result_ = FinishReader();
        // Once for each break, however many attempts it takes to come back.
        const bool retries = result_.ok() && !done_;
        if (retries && restarted_ && std::exchange(shown_, false)) {
          return restarted_();
        }
        continue;
      }
      result_ = request_->Read(response.headers().operation());
      if (!result_.ok()) break;
      if (!Accept(response)) continue;
      request_->Progressed();
      shown_ = true;
      return convert_(std::move(*response.mutable_output()));
    }
    RETURN_IF_ERROR(result_);
    return std::nullopt;
  }

  void Cancel() override {
    request_->Cancel(absl::CancelledError("the stream was cancelled"));
  }

 private:
  // A gap that asking again this often does not close is a loss.
  static constexpr int kGapsMax = 5;

  absl::Status OpenReader() {
    context_ = std::make_unique<grpc::ClientContext>();
    RETURN_IF_ERROR(request_->Begin(*context_));
    reader_ = open_(*context_, request_->channel());
    return absl::OkStatus();
  }

  // The gRPC stream is over: decides whether that is the end of ours.
  absl::Status FinishReader() {
    const std::optional<absl::Status> end =
        request_->End(reader_->Finish(), *context_);
    reader_ = nullptr;
    if (!end.has_value()) return absl::OkStatus();
    RETURN_IF_ERROR(*end);
    if (end_ == StreamEnd::kNone) return request_->WhyEnded();
    done_ = true;
    return absl::OkStatus();
  }

  // False if `response` is not to be passed on.
  bool Accept(const Response& response) {
    if constexpr (std::is_same_v<
                      std::decay_t<decltype(response.headers())>,
                      atomix::multiraft::v1::CommandResponseHeaders>) {
      const uint64_t number = response.headers().output_sequence_num();
      switch (cursor_.Accept(number)) {
        case OutputCursor::Verdict::kSeen:
          return false;
        case OutputCursor::Verdict::kGap:
          AskAgain(number);
          return false;
        case OutputCursor::Verdict::kPassOn:
          gaps_ = 0;
          request_->Received(number);
          return true;
      }
    }
    return true;
  }

  // Ends the gRPC stream, to be given again what is missing before `number`.
  void AskAgain(uint64_t number) {
    absl::Status gap = absl::DataLossError(
        absl::StrCat("output ", number, " followed output ", cursor_.last()));
    context_->TryCancel();
    Drain();
    reader_ = nullptr;
    if (++gaps_ == kGapsMax) result_ = gap;
    request_->Abandon(std::move(gap));
  }

  void Drain() {
    Response ignored;
    while (reader_->Read(&ignored)) {
    }
    reader_->Finish();
  }

  const Opener open_;  // Constant after construction.
  const std::function<Item(Output)> convert_;
  const std::function<Item()> restarted_;
  const StreamEnd end_;

  const std::unique_ptr<Request> request_;  // Own synchronization.

  // The thread that calls Next.
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<Reader> reader_;  // Null between attempts.
  OutputCursor cursor_;
  int gaps_ = 0;         // Since the last output that was passed on.
  bool shown_ = false;   // An item, since the last restart.
  absl::Status result_;  // Of a stream that failed.
  bool done_ = false;    // It came to its natural end.
};

}  // namespace client

#endif  // CLIENT_OPERATION_STREAM_H_
