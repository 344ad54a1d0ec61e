#include "client/topology.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "client/status.h"
#include "grpcpp/client_context.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"

namespace client {
namespace api = multiraft::admin::v1;
namespace {

// Between two rounds of questions when something has failed, and to servers
// that do not answer.
constexpr int64_t kDoubtPeriodNs = 200'000'000;
constexpr int64_t kDownPeriodNs = 1'000'000'000;

}  // namespace

// Question is one Admin.Status to one server. Kept by its callback until that
// has run.
class Topology::Question {
 public:
  Question(Topology& topology, std::shared_ptr<const Server> server)
      : topology_(topology),
        server_(std::move(server)),
        stub_(api::Admin::NewStub(server_->channel())) {
    context_.set_deadline(
        std::chrono::system_clock::now() +
        absl::ToChronoMilliseconds(topology.options_.answer_timeout));
  }

  static void Ask(std::shared_ptr<Question> question) {
    Question& self = *question;
    self.stub_->async()->Status(
        &self.context_, &self.request_, &self.response_,
        [question = std::move(question)](const grpc::Status& status) {
          question->topology_.Learn(question->server_->address(),
                                    ReadEnd(status, question->context_).status,
                                    question->response_);
          // The last that touches the topology.
          question->topology_.Forget(*question);
        });
  }

  void Cancel() { context_.TryCancel(); }

 private:
  Topology& topology_;  // Waits for every question.
  const std::shared_ptr<const Server> server_;
  const std::unique_ptr<api::Admin::Stub> stub_;
  grpc::ClientContext context_;
  const api::StatusRequest request_;
  api::StatusResponse response_;
};

class Topology::PartitionRoute : public Route {
 public:
  PartitionRoute(std::shared_ptr<Topology> topology, uint32_t partition)
      : topology_(std::move(topology)), partition_(partition) {}

  std::shared_ptr<const Server> Pick() override {
    return topology_->Pick(partition_);
  }
  void Failed(const Server& server, const AttemptFailure& failure) override {
    topology_->Failed(partition_, server, failure);
  }

 private:
  const std::shared_ptr<Topology> topology_;  // Constant after construction.
  const uint32_t partition_;
};

std::shared_ptr<Topology> Topology::Start(TopologyOptions options) {
  CHECK(!options.servers.empty());
  std::shared_ptr<Topology> topology(new Topology(std::move(options)));
  topology->thread_ = std::thread([self = topology.get()] { self->Run(); });
  return topology;
}

Topology::Topology(TopologyOptions options)
    : options_(std::move(options)),
      timer_(options_.timer != nullptr ? *options_.timer : SystemTimer()),
      next_(options_.seed) {
  base::MutexLock lock(mu_);
  for (const std::string& address : options_.servers) KnowLocked(address);
}

Topology::~Topology() { Stop(); }

void Topology::Stop() {
  std::map<const Question*, std::shared_ptr<Question>> questions;
  {
    base::MutexLock lock(mu_);
    stopping_ = true;
    changed_.SignalAll();
    questions = questions_;
  }
  // None follows: the thread adds them under the lock.
  for (const auto& [key, question] : questions) question->Cancel();
  if (thread_.joinable()) thread_.join();
  base::MutexLock lock(mu_);
  while (!questions_.empty()) changed_.Wait(mu_);
}

absl::StatusOr<std::vector<uint32_t>> Topology::Partitions(
    int64_t deadline_ns) {
  base::MutexLock lock(mu_);
  while (!is_complete_ && !stopping_ && timer_.NowNanos() < deadline_ns) {
    timer_.WaitUntil(mu_, changed_, deadline_ns);
  }
  if (is_complete_) return std::vector(partitions_.begin(), partitions_.end());
  return absl::UnavailableError(
      failure_.ok() ? "no server has told which partitions there are"
                    : absl::StrCat("no server has told which partitions there "
                                   "are; the last one said: ",
                                   failure_.message()));
}

std::shared_ptr<Route> Topology::RouteTo(uint32_t partition) {
  return std::make_shared<PartitionRoute>(shared_from_this(), partition);
}

std::string Topology::LeaderOf(uint32_t partition) const {
  base::MutexLock lock(mu_);
  const auto it = leads_.find(partition);
  return it == leads_.end() ? "" : it->second.address;
}

// --- Asking -----------------------------------------------------------------

void Topology::Run() {
  while (true) {
    std::vector<std::shared_ptr<Question>> questions;
    {
      base::MutexLock lock(mu_);
      while (!stopping_ && timer_.NowNanos() < DueLocked()) {
        timer_.WaitUntil(mu_, changed_, DueLocked());
      }
      if (stopping_) return;
      questions = AskLocked();
      asked_ns_ = timer_.NowNanos();
      in_doubt_ = false;
    }
    for (auto& question : questions) Question::Ask(std::move(question));
  }
}

int64_t Topology::DueLocked() const {
  if (asked_ns_ == 0) return 0;
  if (in_doubt_ || !is_complete_) return asked_ns_ + kDoubtPeriodNs;
  for (const auto& [address, known] : servers_) {
    if (known.is_down) return asked_ns_ + kDownPeriodNs;
  }
  return asked_ns_ + absl::ToInt64Nanoseconds(options_.period);
}

std::vector<std::shared_ptr<Topology::Question>> Topology::AskLocked() {
  const bool all = in_doubt_ || !is_complete_;
  size_t chosen = next_++ % servers_.size();
  std::vector<std::shared_ptr<Question>> questions;
  for (auto& [address, known] : servers_) {
    const bool has_turn = chosen-- == 0;
    if (known.is_asked || !(all || known.is_down || has_turn)) continue;
    known.is_asked = true;
    questions.push_back(std::make_shared<Question>(*this, known.server));
    questions_.emplace(questions.back().get(), questions.back());
  }
  return questions;
}

void Topology::Forget(const Question& question) {
  std::shared_ptr<Question> kept;  // Not destroyed under the lock.
  base::MutexLock lock(mu_);
  kept = std::move(questions_.extract(&question).mapped());
  changed_.SignalAll();
}

// --- Learning ---------------------------------------------------------------

Topology::Known& Topology::KnowLocked(const std::string& address) {
  Known& known = servers_[address];
  if (known.server == nullptr) {
    known.server = std::make_shared<const Server>(address);
  }
  return known;
}

void Topology::Learn(const std::string& address, const absl::Status& status,
                     const api::StatusResponse& answer) {
  base::MutexLock lock(mu_);
  Known& known = KnowLocked(address);
  known.is_asked = false;
  known.is_down =
      absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  if (status.ok()) {
    known.was_heard = true;
    LearnLocked(address, answer);
  } else {
    failure_ = absl::Status(status.code(),
                            absl::StrCat(address, ": ", status.message()));
  }
  if (!is_complete_ && !partitions_.empty()) {
    // Until then each node knows its own partitions only.
    is_complete_ =
        std::all_of(servers_.begin(), servers_.end(), [](const auto& server) {
          return server.second.was_heard || server.second.is_down;
        });
  }
  changed_.SignalAll();
}

void Topology::LearnLocked(const std::string& address,
                           const api::StatusResponse& answer) {
  if (answer.node_id() != 0) nodes_[answer.node_id()] = address;
  for (const api::Node& node : answer.nodes()) {
    if (node.api_address().empty()) continue;
    const auto it = nodes_.find(node.node_id());
    // Where we reach it ourselves counts for more than what it is told to be.
    if (it != nodes_.end() && !KnowLocked(it->second).is_down) continue;
    nodes_[node.node_id()] = node.api_address();
    KnowLocked(node.api_address());
  }
  if (!is_complete_) {
    for (const api::PartitionStatus& partition : answer.partitions()) {
      partitions_.insert(partition.partition_id());
    }
    // Of a managed cluster this is the highest id that a node knows.
    if (answer.mode() != "managed") {
      for (uint32_t i = 1; i <= answer.partition_count(); ++i) {
        partitions_.insert(i);
      }
      is_complete_ = answer.partition_count() > 0;
    }
  }
  for (const api::PartitionStatus& partition : answer.partitions()) {
    Lead& lead = leads_[partition.partition_id()];
    const auto node = nodes_.find(partition.leader_node());
    const bool is_known = node != nodes_.end();
    if (partition.term() < lead.term) continue;
    if (partition.term() == lead.term && !is_known) continue;
    lead = {.term = partition.term(), .address = is_known ? node->second : ""};
  }
}

// --- Routes -----------------------------------------------------------------

std::shared_ptr<const Server> Topology::Pick(uint32_t partition) {
  base::MutexLock lock(mu_);
  const auto lead = leads_.find(partition);
  if (lead != leads_.end() && !lead->second.address.empty()) {
    const Known& leader = KnowLocked(lead->second.address);
    if (!leader.is_down) return leader.server;
  }
  std::string& current = current_[partition];
  if (current.empty()) {
    current = options_.servers[options_.seed % options_.servers.size()];
  }
  if (KnowLocked(current).is_down) current = NextLocked(current);
  return KnowLocked(current).server;
}

// The next in turn that answers; the next one if none does.
std::string Topology::NextLocked(const std::string& address) const {
  std::vector<std::string> others;
  const auto behind = servers_.upper_bound(address);
  for (auto it = behind; it != servers_.end(); ++it)
    others.push_back(it->first);
  for (auto it = servers_.begin(); it != behind; ++it) {
    others.push_back(it->first);
  }
  for (const std::string& other : others) {
    if (!servers_.at(other).is_down) return other;
  }
  return others.front();
}

void Topology::Failed(uint32_t partition, const Server& server,
                      const AttemptFailure& failure) {
  base::MutexLock lock(mu_);
  Lead& lead = leads_[partition];
  if (!failure.answered) {
    KnowLocked(server.address()).is_down = true;
  } else if (!failure.leader.empty()) {
    KnowLocked(failure.leader);
    lead.address = failure.leader;
  } else if (lead.address == server.address()) {
    lead.address = "";
  }
  if (current_[partition] == server.address()) {
    current_[partition] = NextLocked(server.address());
  }
  in_doubt_ = true;
  changed_.SignalAll();
}

}  // namespace client
