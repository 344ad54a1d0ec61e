#include "partition/divergence.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "raft/quorum.h"
#include "session/table_set.h"

namespace partition {
namespace {

// Reports that are kept of each replica: checkpoints that are not everywhere
// yet.
constexpr size_t kReportsMax = 8;
constexpr uint32_t kRetryDoublingsMax = 6;

std::string NameOf(uint16_t table) {
  const absl::string_view name = session::NameOf(session::TableId{table});
  return name.empty() ? absl::StrCat("table ", table) : std::string(name);
}

}  // namespace

std::string DifferingTables(const DigestReport& a, const DigestReport& b) {
  std::map<uint16_t, uint64_t> difference;
  for (const TableDigest& table : a.tables) {
    difference[table.table] += table.digest;
  }
  for (const TableDigest& table : b.tables) {
    difference[table.table] -= table.digest;
  }
  std::vector<std::string> names;
  for (const auto& [table, digest] : difference) {
    if (digest != 0) names.push_back(NameOf(table));
  }
  return absl::StrJoin(names, ", ");
}

void AddTo(DigestReport& report, const std::vector<TableDigest>& differences) {
  std::map<uint16_t, uint64_t> sums;
  for (const TableDigest& table : report.tables) {
    sums[table.table] += table.digest;
  }
  for (const TableDigest& table : differences) {
    sums[table.table] += table.digest;
    report.digest += table.digest;
  }
  report.tables.clear();
  for (const auto& [table, sum] : sums) {
    if (sum != 0) report.tables.push_back({.table = table, .digest = sum});
  }
}

Divergence::Divergence(raft::ReplicaId self, uint32_t retry_ticks)
    : self_(self), retry_ticks_(retry_ticks) {}

// --- Telling ----------------------------------------------------------------

void Divergence::Send(const DigestReport& report, raft::ReplicaId to,
                      bool wants_answer, std::vector<Note>& out) const {
  DigestReport sent = report;
  sent.wants_answer = wants_answer;
  out.push_back({.from = self_, .to = to, .body = std::move(sent)});
}

void Divergence::SendToAll(const DigestReport& report, bool wants_answer,
                           const raft::Configuration& configuration,
                           std::vector<Note>& out) const {
  for (const raft::Member& member : configuration.members) {
    if (member.replica == self_) continue;
    Send(report, member.replica, wants_answer, out);
  }
}

void Divergence::Add(DigestReport own, const raft::Configuration& configuration,
                     std::vector<Note>& out) {
  // A cut of a state that was replaced since.
  if (!own_.empty() && own.index <= own_.back().report.index) return;
  own.wants_answer = false;
  own_.push_back({.report = std::move(own)});
  if (own_.size() > kReportsMax) own_.pop_front();
  silent_ticks_ = 0;
  retries_ = 0;
  std::erase_if(others_, [&](const auto& other) {
    return configuration.FindMember(other.first) == nullptr;
  });
  std::erase_if(outside_, [&](const auto& other) {
    return configuration.FindMember(other.first) == nullptr;
  });
  SendToAll(own_.back().report, /*wants_answer=*/false, configuration, out);
  Judge(own_.back(), configuration);
}

void Divergence::Damaged(const std::vector<TableDigest>& differences,
                         const raft::Configuration& configuration,
                         std::vector<Note>& out) {
  if (own_.empty()) return;
  Own& own = own_.back();
  AddTo(own.report, differences);
  own.verified = false;
  silent_ticks_ = 0;
  retries_ = 0;
  // Who has forgotten this checkpoint meanwhile has nothing to answer.
  SendToAll(own.report, /*wants_answer=*/true, configuration, out);
  Judge(own, configuration);
}

void Divergence::Handle(raft::ReplicaId from, const DigestReport& report,
                        const raft::Configuration& configuration,
                        std::vector<Note>& out) {
  if (from == self_ || configuration.FindMember(from) == nullptr) return;
  Reports& reports = others_[from];
  const auto place = std::lower_bound(
      reports.begin(), reports.end(), report.index,
      [](const DigestReport& one, raft::Index i) { return one.index < i; });
  if (place != reports.end() && place->index == report.index) {
    *place = report;  // Its state was replaced, perhaps.
  } else {
    reports.insert(place, report);
    if (reports.size() > kReportsMax) reports.pop_front();
  }
  for (Own& own : own_) {
    if (own.report.index != report.index) continue;
    if (report.wants_answer) {
      Send(own.report, from, /*wants_answer=*/false, out);
    }
    Judge(own, configuration);
  }
}

void Divergence::Tick(const raft::Configuration& configuration,
                      std::vector<Note>& out) {
  if (disputed_ != raft::Index{} && ++disputed_ticks_ >= retry_ticks_) {
    no_majority_ = true;
  }
  if (own_.empty() || own_.back().verified || contradiction_.has_value()) {
    return;
  }
  if (++silent_ticks_ < retry_ticks_
                            << std::min(retries_, kRetryDoublingsMax)) {
    return;
  }
  silent_ticks_ = 0;
  ++retries_;
  SendToAll(own_.back().report, /*wants_answer=*/true, configuration, out);
  // Others may have left the configuration since.
  Judge(own_.back(), configuration);
}

void Divergence::Forget() {
  own_.clear();
  verified_ = raft::Index{};
  contradiction_.reset();
  disputed_ = raft::Index{};
  disputed_ticks_ = 0;
  no_majority_ = false;
}

// --- Judging ----------------------------------------------------------------

const DigestReport* Divergence::Find(raft::ReplicaId replica,
                                     raft::Index index) const {
  if (replica == self_) {
    for (const Own& own : own_) {
      if (own.report.index == index) return &own.report;
    }
    return nullptr;
  }
  const auto reports = others_.find(replica);
  if (reports == others_.end()) return nullptr;
  for (const DigestReport& report : reports->second) {
    if (report.index == index) return &report;
  }
  return nullptr;
}

const DigestReport* Divergence::Truth(raft::Index index,
                                      const raft::Configuration& configuration,
                                      bool& is_possible) const {
  is_possible = false;
  for (const raft::Member& member : configuration.members) {
    const DigestReport* candidate = Find(member.replica, index);
    if (candidate == nullptr) continue;
    const raft::VoteResult votes = raft::TallyVotes(
        configuration, [&](raft::ReplicaId replica) -> std::optional<bool> {
          const DigestReport* report = Find(replica, index);
          if (report == nullptr) return std::nullopt;
          return report->SameState(*candidate);
        });
    if (votes == raft::VoteResult::kWon) return candidate;
    if (votes == raft::VoteResult::kPending) is_possible = true;
  }
  return nullptr;
}

void Divergence::Judge(Own& own, const raft::Configuration& configuration) {
  const raft::Index index = own.report.index;
  bool is_possible = false;
  const DigestReport* truth = Truth(index, configuration, is_possible);
  if (truth == nullptr) {
    const bool differs = std::any_of(
        configuration.members.begin(), configuration.members.end(),
        [&](const raft::Member& member) {
          const DigestReport* report = Find(member.replica, index);
          return report != nullptr && configuration.IsVoter(member.replica) &&
                 !report->SameState(own.report);
        });
    if (!differs || index < disputed_) return;
    if (index > disputed_) disputed_ticks_ = 0;
    disputed_ = index;
    if (!is_possible) no_majority_ = true;
    return;
  }
  if (index >= disputed_) {
    disputed_ = raft::Index{};
    disputed_ticks_ = 0;
    no_majority_ = false;
  }
  LookAtOthers(*truth, configuration);
  if (truth->SameState(own.report)) {
    own.verified = true;
    verified_ = std::max(verified_, index);
    return;
  }
  if (contradiction_.has_value()) return;
  contradiction_ = {
      .index = index,
      .what = absl::StrCat(
          "its state at the checkpoint ", index.value(),
          " is not that of the majority of the voters: it differs in ",
          DifferingTables(own.report, *truth))};
}

void Divergence::LookAtOthers(const DigestReport& truth,
                              const raft::Configuration& configuration) {
  for (const raft::Member& member : configuration.members) {
    if (member.replica == self_) continue;
    const DigestReport* report = Find(member.replica, truth.index);
    if (report == nullptr) continue;
    const auto found = outside_.find(member.replica);
    if (!report->SameState(truth)) {
      raft::Index& index = outside_[member.replica];
      index = std::max(index, truth.index);
    } else if (found != outside_.end() && truth.index >= found->second) {
      outside_.erase(found);
    }
  }
}

bool Divergence::IsVerified(raft::Index index) const {
  return std::any_of(own_.begin(), own_.end(), [&](const Own& own) {
    return own.report.index == index && own.verified;
  });
}

std::string Divergence::Alarm() const {
  std::string alarm;
  if (no_majority_ && disputed_ != raft::Index{}) {
    alarm = absl::StrCat(
        "the states of the replicas differ at the checkpoint ",
        disputed_.value(),
        ", and no majority of the voters has the same: nobody can tell which "
        "is right");
  }
  for (const auto& [replica, index] : outside_) {
    absl::StrAppend(
        &alarm, alarm.empty() ? "" : "; ", "replica ", replica.value(),
        " was outside of the majority at the checkpoint ", index.value());
  }
  return alarm;
}

}  // namespace partition
