// Rows of an election:
//
//   at 0:                    version u8 = 1 | term u64
//   candidate, by position:  version u8 = 1 | session u64 | name bytes
//
// The first to enter stands at 2^63, so there is room for all that will ever go
// in front and behind. There are no timers.

#include "primitive/election.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "primitive/input.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::election::v1;
using session::CommandContext;
using session::Failure;
using session::OperationStatus;
using session::PrimitiveContext;
using session::Result;
using session::SessionId;

// Fields of LeaderElectionInput. Do not change: on disk.
enum : uint32_t {
  kEnter = 1,
  kWithdraw = 2,
  kAnoint = 3,
  kPromote = 4,
  kEvict = 5,
  kGetTerm = 6,
  kWatch = 7,
  kDemote = 8,
};

constexpr uint8_t kRowVersion = 1;
constexpr uint64_t kRowKey = 0;
// Do not change: on disk.
constexpr uint64_t kFirstPosition = uint64_t{1} << 63;
constexpr char kCursor[] = "t";

template <class Input>
absl::Status CheckCandidate(const Input& input, const session::Limits& limits) {
  return CheckKey("candidate", input.candidate(), limits);
}

}  // namespace

void ElectionRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, term);
}

bool ElectionRow::Decode(absl::string_view bytes, ElectionRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.term = reader.U64();
  return reader.done() && version == kRowVersion;
}

void CandidateRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, session.value());
  out.append(name);
}

bool CandidateRow::Decode(absl::string_view bytes, CandidateRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.session = SessionId(reader.U64());
  row.name = std::string(reader.rest());
  return reader.ok() && version == kRowVersion;
}

Election::Election(session::TableSet& tables, session::PrimitiveId id)
    : election_(tables, session::TableId::kElection, id.value()),
      line_(tables, session::TableId::kCandidate, id.value()) {}

void Election::Command(CommandContext& context, uint32_t operation,
                       absl::string_view bytes) {
  switch (operation) {
    case kEnter:
      return HandleCommand<pb::EnterInput, CheckCandidate>(
          context, bytes,
          [&](const auto& input) { Enter(context, input.candidate()); });
    case kWithdraw:
      return Run<pb::WithdrawInput, pb::WithdrawOutput>(
          context, bytes, [&](uint64_t position) {
            return Withdraw(position, context.command().session);
          });
    case kAnoint:
      return Run<pb::AnointInput, pb::AnointOutput>(
          context, bytes, [&](uint64_t position) { return Anoint(position); });
    case kPromote:
      return Run<pb::PromoteInput, pb::PromoteOutput>(
          context, bytes, [&](uint64_t position) { return Promote(position); });
    case kEvict:
      return Run<pb::EvictInput, pb::EvictOutput>(
          context, bytes, [&](uint64_t position) { return Remove(position); });
    case kDemote:
      return Run<pb::DemoteInput, pb::DemoteOutput>(
          context, bytes, [&](uint64_t position) { return Demote(position); });
    default:
      return context.Answer(NotSupported());
  }
}

template <class Input, class Output, class Act>
void Election::Run(CommandContext& context, absl::string_view bytes, Act act) {
  HandleCommand<Input, CheckCandidate>(context, bytes, [&](const Input& input) {
    const auto candidate = positions_.find(input.candidate());
    if (candidate != positions_.end()) Tell(context, act(candidate->second));
    Output output;
    FillTerm(*output.mutable_term());
    return Answer(output);
  });
}

void Election::Enter(CommandContext& context, const std::string& name) {
  // Without a name nobody could be told from no leader.
  if (!name.empty() && !positions_.contains(name)) {
    if (line_.size() == kCandidatesMax ||
        name_bytes_ + name.size() > kNameBytesMax) {
      return context.Answer(
          Failure(OperationStatus::kConflict,
                  absl::StrCat("election has ", line_.size(), " candidates of ",
                               name_bytes_, " bytes, at most ", kCandidatesMax,
                               " of ", kNameBytesMax, " allowed")));
    }
    const bool leads = order_.empty();
    uint64_t position = kFirstPosition;
    if (!leads) position = *order_.rbegin() + 1;
    Insert(position, {.name = name, .session = context.command().session});
    Tell(context, leads ? Change::kLeader : Change::kLine);
  }
  pb::EnterOutput output;
  FillTerm(*output.mutable_term());
  context.Answer(Answer(output));
}

Election::Change Election::Withdraw(uint64_t position, SessionId session) {
  if (line_.Find(position)->session != session) return Change::kNone;
  return Remove(position);
}

Election::Change Election::Anoint(uint64_t position) {
  if (Leads(position)) return Change::kNone;
  const uint64_t front = *order_.begin() - 1;
  Insert(front, Take(position));
  return Change::kLeader;
}

Election::Change Election::Promote(uint64_t position) {
  if (Leads(position)) return Change::kNone;
  return Swap(*std::prev(order_.find(position)), position);
}

Election::Change Election::Demote(uint64_t position) {
  const auto next = std::next(order_.find(position));
  if (next == order_.end()) return Change::kNone;
  return Swap(position, *next);
}

Election::Change Election::Remove(uint64_t position) {
  const Change change = Leads(position) ? Change::kLeader : Change::kLine;
  Take(position);
  return change;
}

Election::Change Election::Swap(uint64_t front, uint64_t back) {
  const Change change = Leads(front) ? Change::kLeader : Change::kLine;
  CandidateRow first = Take(front);
  CandidateRow second = Take(back);
  Insert(front, std::move(second));
  Insert(back, std::move(first));
  return change;
}

Result Election::Query(uint32_t operation, absl::string_view bytes) const {
  if (operation != kGetTerm) return NotSupported();
  return HandleQuery<pb::GetTermInput>(bytes, [&](const auto&) {
    pb::GetTermOutput output;
    FillTerm(*output.mutable_term());
    return Answer(output);
  });
}

// The first generation's watchers are told of changes only; the second's first
// of the present term, if there was one.
session::Listing Election::List(const session::StreamQuery& query,
                                absl::string_view cursor,
                                const session::SliceBounds&) const {
  session::Listing listing{.cursor = kCursor, .done = true};
  if (query.operation == kWatch &&
      query.generation != session::Generation::kMultiRaft && cursor.empty() &&
      election_.Find(kRowKey) != nullptr) {
    listing.outputs.push_back(TermOutput());
  }
  return listing;
}

bool Election::Watches(const session::StreamQuery& query) const {
  return query.operation == kWatch;
}

bool Election::SessionClosed(PrimitiveContext& context, SessionId session,
                             size_t items_max) {
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return true;
  const size_t count = it->second.size();
  const size_t removed = std::min(count, items_max);
  // From the end of the line: its leader goes last and is not followed by
  // another candidate of a session that is gone.
  Change change = Change::kNone;
  for (size_t i = 0; i < removed; ++i) {
    change = Remove(*sessions_.at(session).rbegin());
  }
  context.Charge(removed);
  Tell(context, change);
  return removed == count;
}

void Election::Loaded(PrimitiveContext&) {
  line_.Scan([&](uint64_t position, const CandidateRow& row) {
    Derive(position, row);
    return true;
  });
}

void Election::Insert(uint64_t position, CandidateRow row) {
  Derive(position, line_.Insert(position, std::move(row)));
}

CandidateRow Election::Take(uint64_t position) {
  CandidateRow row = *line_.Find(position);
  CHECK(line_.Erase(position));
  order_.erase(position);
  positions_.erase(row.name);
  const auto session = sessions_.find(row.session);
  session->second.erase(position);
  if (session->second.empty()) sessions_.erase(session);
  name_bytes_ -= row.name.size();
  return row;
}

void Election::Derive(uint64_t position, const CandidateRow& row) {
  order_.insert(position);
  positions_[row.name] = position;
  sessions_[row.session].insert(position);
  name_bytes_ += row.name.size();
}

void Election::Tell(PrimitiveContext& context, Change change) {
  if (change == Change::kNone) return;
  if (change == Change::kLeader && !order_.empty()) {
    const ElectionRow* row = election_.Find(kRowKey);
    election_.Put(kRowKey, {.term = row == nullptr ? 1 : row->term + 1});
  }
  if (!context.has_watchers()) return;
  context.Notify(kCursor, TermOutput());
}

std::string Election::TermOutput() const {
  pb::WatchOutput output;
  FillTerm(*output.mutable_term());
  return output.SerializeAsString();
}

void Election::FillTerm(pb::Term& term) const {
  if (const ElectionRow* row = election_.Find(kRowKey)) {
    term.set_index(row->term);
  }
  line_.Scan([&](uint64_t position, const CandidateRow& row) {
    if (Leads(position)) {
      term.set_leader(row.name);
    } else {
      term.add_candidates(row.name);
    }
    return true;
  });
}

session::PrimitiveType ElectionType() {
  using enum session::OperationKind;
  constexpr bool kGrows = true;
  constexpr bool kDoesNotGrow = false;
  return {
      .name = "election",
      .service = "atomix.multiraft.election.v1.LeaderElection",
      .type_strings = {"atomix.runtime.election.v1.LeaderElection",
                       "atomix.multiraft.election.v1.LeaderElection"},
      .operations =
          {
              {kEnter, "Enter", kCommand, kGrows,
               CheckInput<pb::EnterInput, CheckCandidate>},
              {kWithdraw, "Withdraw", kCommand, kDoesNotGrow,
               CheckInput<pb::WithdrawInput, CheckCandidate>},
              {kAnoint, "Anoint", kCommand, kDoesNotGrow,
               CheckInput<pb::AnointInput, CheckCandidate>},
              {kPromote, "Promote", kCommand, kDoesNotGrow,
               CheckInput<pb::PromoteInput, CheckCandidate>},
              {kDemote, "Demote", kCommand, kDoesNotGrow,
               CheckInput<pb::DemoteInput, CheckCandidate>},
              {kEvict, "Evict", kCommand, kDoesNotGrow,
               CheckInput<pb::EvictInput, CheckCandidate>},
              {kGetTerm, "GetTerm", kQuery, kDoesNotGrow,
               CheckInput<pb::GetTermInput>},
              {kWatch, "Watch", kStreamQuery, kDoesNotGrow,
               CheckInput<pb::WatchInput>},
          },
      .create = CreatePrimitive<Election>,
  };
}

}  // namespace primitive
