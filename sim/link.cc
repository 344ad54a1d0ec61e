#include "sim/link.h"

#include <algorithm>
#include <utility>

#include "multiraft/disk/v1/command.pb.h"

namespace sim {
namespace {

using partition::CommandRequest;
using partition::Completion;
using partition::Outcome;
using partition::Refusal;
using partition::Reply;
using session::Applied;

Refusal Unreachable(Outcome outcome) {
  return {.status = absl::UnavailableError("connection failed"),
          .outcome = outcome};
}

// The same command under a number that nobody uses.
void Renumber(CommandRequest& request) {
  multiraft::disk::v1::Command command;
  if (!command.ParseFromString(request.bytes)) return;
  request.key.sequence = request.key.sequence + 1'000'000;
  command.mutable_session_command()->set_sequence_num(
      request.key.sequence.value());
  request.bytes = command.SerializeAsString();
}

}  // namespace

// --- Calls -------------------------------------------------------------------

template <class T>
struct Link::Call {
  Node* node = nullptr;
  std::function<void(Reply<T>)> done;  // Null: finished.
  uint64_t index_before = 0;
};

Link::Link(EventLoop& loop, std::vector<Node*> nodes,
           base::PartitionId partition, const LinkOptions& options,
           const LinkFaults& faults, uint64_t seed, AnswerObserver& observer)
    : loop_(loop),
      nodes_(std::move(nodes)),
      node_(nullptr),
      partition_(partition),
      options_(options),
      faults_(faults),
      random_(seed),
      observer_(observer) {
  node_ = &AnyNode();
}

void Link::Calm() {
  options_.lose_one_in = 0;
  options_.copy_one_in = 0;
  options_.break_one_in = 0;
}

Node& Link::QueryNode() {
  if (options_.any_node_one_in != 0 &&
      random_.OneIn(options_.any_node_one_in)) {
    return AnyNode();
  }
  return *node_;
}

void Link::Leave(const Node& node) {
  if (&node != node_) return;
  const base::NodeId leader = node.LeaderHint(partition_);
  node_ = &AnyNode();
  // What one node says may be old: not always followed.
  if (random_.OneIn(4)) return;
  for (Node* other : nodes_) {
    if (other->id() == leader && other != &node) node_ = other;
  }
}

uint64_t Link::Delay() {
  return random_.Between(options_.delay_ns_min, options_.delay_ns_max);
}

bool Link::Loses() {
  return options_.lose_one_in != 0 && random_.OneIn(options_.lose_one_in);
}

template <class T>
std::shared_ptr<Link::Call<T>> Link::StartCall(
    Node& node, std::function<void(Reply<T>)> done) {
  auto call = std::make_shared<Call<T>>();
  call->node = &node;
  call->done = std::move(done);
  call->index_before = observer_.seen_index();
  loop_.After(options_.timeout_ns, [this, call] {
    FinishCall<T>(call, {.refusal = Unreachable(Outcome::kUnknown)});
  });
  return call;
}

template <class T>
void Link::FinishCall(const std::shared_ptr<Call<T>>& call, Reply<T> reply) {
  auto done = std::exchange(call->done, nullptr);
  if (!done) return;
  if (reply.ok()) {
    observer_.OnIndex(reply.value.index, call->index_before);
  } else if (absl::IsUnavailable(reply.refusal.status)) {
    Leave(*call->node);
  }
  done(std::move(reply));
}

void Link::Deliver(Node& node, const CommandRequest& request,
                   CommandDone done) {
  const auto target = Target(node);
  if (target == nullptr) {
    return done({.refusal = Unreachable(Outcome::kNotProposed)});
  }
  target->Propose(
      request, Completion<Applied>(
                   [this, key = request.key, kind = request.kind,
                    done = std::move(done)](Reply<Applied> reply) mutable {
                     if (reply.ok() && kind == CommandRequest::Kind::kUnary &&
                         reply.value.outcome == Applied::Outcome::kAnswered) {
                       observer_.OnAnswer(key, reply.value.output.result);
                     }
                     done(std::move(reply));
                   }));
}

void Link::Propose(CommandRequest request, CommandDone done) {
  auto call = StartCall<Applied>(*node_, std::move(done));
  if (options_.copy_one_in != 0 && random_.OneIn(options_.copy_one_in) &&
      request.kind != CommandRequest::Kind::kOpenSession) {
    CommandRequest copy = request;
    if (faults_.renumber_copies && copy.kind == CommandRequest::Kind::kUnary) {
      Renumber(copy);
    }
    loop_.After(random_.Below(options_.late_ns_max),
                [this, copy = std::move(copy)] {
                  Deliver(AnyNode(), copy, [](Reply<Applied>) {});
                });
  }
  if (Loses()) return;
  loop_.After(Delay(), [this, call, request = std::move(request)] {
    Deliver(*call->node, request, [this, call](Reply<Applied> reply) {
      if (Loses()) return;
      loop_.After(Delay(), [this, call, reply = std::move(reply)] {
        FinishCall<Applied>(call, reply);
      });
    });
  });
}

void Link::Query(partition::QueryRequest request, QueryDone done) {
  auto call = StartCall<session::QueryAnswer>(QueryNode(), std::move(done));
  if (Loses()) return;
  loop_.After(Delay(), [this, call, request = std::move(request)] {
    auto answer = [this, call](Reply<session::QueryAnswer> reply) {
      if (Loses()) return;
      if (reply.ok()) {
        const session::QueryAnswer fresh = reply.value;
        if (faults_.stale_answer_one_in != 0 && last_answer_.index != 0 &&
            random_.OneIn(faults_.stale_answer_one_in)) {
          reply.value.result = last_answer_.result;
        }
        last_answer_ = fresh;
      }
      loop_.After(Delay(), [this, call, reply = std::move(reply)] {
        FinishCall<session::QueryAnswer>(call, reply);
      });
    };
    const auto target = Target(*call->node);
    if (target == nullptr) {
      return answer({.refusal = Unreachable(Outcome::kNotProposed)});
    }
    target->RunQuery(request,
                     Completion<session::QueryAnswer>(std::move(answer)));
  });
}

// --- Streams -----------------------------------------------------------------

// Both ends of one attempt. The partition holds the sink, the client the
// stream; each may let go first.
class Link::Stream : public std::enable_shared_from_this<Link::Stream> {
 public:
  class Sink;

  Stream(Link& link, Node& node, StreamCallbacks callbacks)
      : link_(link), node_(node), callbacks_(std::move(callbacks)) {}

  void Close() {
    callbacks_ = {};
    closed_ = true;
    if (const auto target = Server()) target->CloseStream(id_);
  }

  void Opened(uint64_t incarnation, partition::StreamId id) {
    opened_ = true;
    incarnation_ = incarnation;
    id_ = id;
    if (closed_) Close();
  }

  void Write(session::CommandOutput output) {
    if (link_.options_.break_one_in != 0 &&
        link_.random_.OneIn(link_.options_.break_one_in)) {
      // The connection breaks: the server learns it by and by.
      link_.loop_.After(link_.Delay(), [self = shared_from_this()] {
        if (const auto target = self->Server()) {
          target->CloseStream(self->id_);
        }
      });
      return End(Unreachable(Outcome::kUnknown));
    }
    if (link_.faults_.drop_output_one_in != 0 &&
        link_.random_.OneIn(link_.faults_.drop_output_one_in)) {
      ++dropped_;
      return Writable();
    }
    output.number -= dropped_;
    Later([output = std::move(output)](Stream& self) {
      if (self.callbacks_.on_output) self.callbacks_.on_output(output);
      self.Writable();
    });
  }

  void End(Refusal refusal) {
    if (std::exchange(ended_, true)) return;
    if (absl::IsUnavailable(refusal.status)) link_.Leave(node_);
    Later([refusal = std::move(refusal)](Stream& self) {
      auto on_end = std::exchange(self.callbacks_.on_end, nullptr);
      self.callbacks_ = {};
      if (on_end) on_end(refusal);
    });
  }

 private:
  // The partition that serves this attempt, if its process still lives.
  std::shared_ptr<partition::Partition> Server() const {
    if (!opened_ || incarnation_ != node_.incarnation()) return nullptr;
    return link_.Target(node_);
  }

  void Writable() {
    link_.loop_.After(link_.Delay(), [self = shared_from_this()] {
      if (const auto target = self->Server()) {
        target->StreamWritable(self->id_);
      }
    });
  }

  // What the server says arrives in order.
  template <class Action>
  void Later(Action action) {
    arrival_ns_ = std::max(arrival_ns_, link_.loop_.now_ns() + link_.Delay());
    link_.loop_.After(arrival_ns_ - link_.loop_.now_ns(),
                      [self = shared_from_this(), action = std::move(action)] {
                        action(*self);
                      });
  }

  Link& link_;
  Node& node_;
  StreamCallbacks callbacks_;
  bool opened_ = false;
  bool closed_ = false;  // By the client.
  uint64_t incarnation_ = 0;
  partition::StreamId id_{};
  bool ended_ = false;
  uint64_t arrival_ns_ = 0;
  uint64_t dropped_ = 0;  // For LinkFaults.
};

class Link::Stream::Sink : public partition::StreamSink {
 public:
  explicit Sink(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  // The process died: the connection breaks.
  ~Sink() override { stream_->End(Unreachable(Outcome::kUnknown)); }

  void Write(session::CommandOutput output) override {
    stream_->Write(std::move(output));
  }
  void End(Refusal refusal) override { stream_->End(std::move(refusal)); }

 private:
  const std::shared_ptr<Stream> stream_;
};

std::shared_ptr<Link::Stream> Link::StartStream(
    Node& node, StreamCallbacks callbacks,
    std::function<partition::StreamId(partition::Partition&,
                                      std::shared_ptr<partition::StreamSink>)>
        open) {
  auto stream = std::make_shared<Stream>(*this, node, std::move(callbacks));
  loop_.After(Delay(), [this, &node, stream, open = std::move(open)] {
    const auto target = Target(node);
    if (target == nullptr || Loses()) {
      return stream->End(Unreachable(Outcome::kNotProposed));
    }
    const partition::StreamId id =
        open(*target, std::make_shared<Stream::Sink>(stream));
    stream->Opened(node.incarnation(), id);
  });
  return stream;
}

std::shared_ptr<Link::Stream> Link::OpenStream(CommandRequest request,
                                               StreamCallbacks callbacks) {
  return StartStream(*node_, std::move(callbacks),
                     [request = std::move(request)](
                         partition::Partition& target,
                         std::shared_ptr<partition::StreamSink> sink) {
                       return target.OpenStream(request, std::move(sink));
                     });
}

std::shared_ptr<Link::Stream> Link::OpenQuery(partition::QueryRequest request,
                                              StreamCallbacks callbacks) {
  return StartStream(QueryNode(), std::move(callbacks),
                     [request = std::move(request)](
                         partition::Partition& target,
                         std::shared_ptr<partition::StreamSink> sink) {
                       return target.OpenQuery(request, std::move(sink));
                     });
}

void Link::Close(Stream& stream) { stream.Close(); }

}  // namespace sim
