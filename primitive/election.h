// Election is a line of candidates whose head leads. A term is the time of one
// leader: its number is 0 at first, and one more with each new leader. When the
// last candidate leaves nobody leads, and the number stays. So term numbers are
// fencing tokens.
//
// A candidate is a name, entered by a session and in the line once. It leaves
// when the session withdraws it, ends or closes the election, or when anybody
// evicts it. What is not possible changes nothing: every command answers with
// the term as it then is.
//
// The line is one table by position, in which the leader comes first: so that
// to change places with the leader, or to go in front of it, is to lead.

#ifndef PRIMITIVE_ELECTION_H_
#define PRIMITIVE_ELECTION_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"
#include "atomix/multiraft/election/v1/fsm.pb.h"
#include "primitive/basic_primitive.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/table.h"
#include "session/types.h"

namespace primitive {

struct ElectionRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, ElectionRow& row);
  size_t size_bytes() const { return 9; }

  uint64_t term = 0;
};

// Its row's key is its position in the line.
struct CandidateRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, CandidateRow& row);
  size_t size_bytes() const { return 9 + name.size(); }

  std::string name;
  session::SessionId session;  // That entered it.
};

class Election final : public BasicPrimitive {
 public:
  // Every answer and every message to a watcher has the whole line. Enter above
  // one of these: kConflict.
  static constexpr size_t kCandidatesMax = 4096;
  static constexpr size_t kNameBytesMax = 256 << 10;  // Of all together.

  Election(session::TableSet& tables, session::PrimitiveId id);

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override;
  session::Result Query(uint32_t operation,
                        absl::string_view input) const override;
  session::Listing List(const session::StreamQuery& query,
                        absl::string_view cursor,
                        const session::SliceBounds& bounds) const override;
  bool Watches(const session::StreamQuery& query) const override;
  bool SessionClosed(session::PrimitiveContext& context,
                     session::SessionId session, size_t items_max) override;
  void Loaded(session::PrimitiveContext& context) override;

 private:
  // What a command did.
  enum class Change {
    kNone,
    kLine,    // The line changed behind its head.
    kLeader,  // It has another head, or none.
  };

  // Answers a command about one candidate: `act(position)`, which returns a
  // Change, if there is one of this name, and then the term.
  template <class Input, class Output, class Act>
  void Run(session::CommandContext& context, absl::string_view bytes, Act act);

  void Enter(session::CommandContext& context, const std::string& name);
  Change Withdraw(uint64_t position, session::SessionId session);
  Change Anoint(uint64_t position);
  Change Promote(uint64_t position);
  Change Demote(uint64_t position);
  Change Remove(uint64_t position);

  bool Leads(uint64_t position) const { return position == *order_.begin(); }
  // REQUIRES: `front` is the place before `back`.
  Change Swap(uint64_t front, uint64_t back);

  // A row, and what is derived from it. REQUIRES: the position is free, taken.
  void Insert(uint64_t position, CandidateRow row);
  CandidateRow Take(uint64_t position);
  void Derive(uint64_t position, const CandidateRow& row);

  // Begins a term if there is a new leader, and tells the watchers.
  void Tell(session::PrimitiveContext& context, Change change);
  void FillTerm(atomix::multiraft::election::v1::Term& term) const;
  std::string TermOutput() const;  // A WatchOutput.

  session::Table<uint64_t, ElectionRow> election_;  // One row, at 0, or none.
  session::Table<uint64_t, CandidateRow> line_;

  // Derived.
  absl::btree_set<uint64_t> order_;                   // Positions.
  absl::btree_map<std::string, uint64_t> positions_;  // By name.
  absl::btree_map<session::SessionId, absl::btree_set<uint64_t>> sessions_;
  size_t name_bytes_ = 0;
};

session::PrimitiveType ElectionType();

}  // namespace primitive

#endif  // PRIMITIVE_ELECTION_H_
