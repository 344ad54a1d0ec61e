#include "raft/format.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace raft {
namespace {

std::string Pair(Term term, Index index) {
  return absl::StrCat(term.value(), "/", index.value());
}

std::string Replicas(const std::vector<ReplicaId>& replicas) {
  return absl::StrJoin(replicas, ",", [](std::string* out, ReplicaId replica) {
    absl::StrAppend(out, replica.value());
  });
}

// " sent=300ms"; nothing without lease reads.
std::string Lease(const char* name, uint64_t ns) {
  return ns == 0 ? "" : absl::StrCat(" ", name, "=", ns / 1'000'000, "ms");
}

const char* YesNo(bool yes) { return yes ? "yes" : "no"; }

std::string Format(const PreVote& m) {
  return absl::StrCat("PreVote last=", Pair(m.last_term, m.last_index));
}
std::string Format(const PreVoteReply& m) {
  return absl::StrCat("PreVoteReply granted=", YesNo(m.granted));
}
std::string Format(const RequestVote& m) {
  return absl::StrCat("RequestVote last=", Pair(m.last_term, m.last_index),
                      m.transfer ? " transfer" : "");
}
std::string Format(const RequestVoteReply& m) {
  return absl::StrCat("RequestVoteReply granted=", YesNo(m.granted));
}
std::string Format(const AppendEntries& m) {
  return absl::StrCat("AppendEntries prev=", Pair(m.prev_term, m.prev_index),
                      " commit=", m.commit_index.value(), " ",
                      FormatEntries(m.entries));
}
std::string Format(const AppendEntriesReply& m) {
  if (m.accepted) {
    return absl::StrCat("AppendEntriesReply accepted=", m.index.value());
  }
  return absl::StrCat("AppendEntriesReply refused=", m.index.value(),
                      " hint=", Pair(m.hint_term, m.hint_index));
}
std::string Format(const Heartbeat& m) {
  return absl::StrCat("Heartbeat commit=", m.commit_index.value(),
                      " round=", m.read_round, Lease("sent", m.sent_ns));
}
std::string Format(const HeartbeatReply& m) {
  return absl::StrCat("HeartbeatReply round=", m.read_round,
                      Lease("sent", m.sent_ns), Lease("promise", m.promise_ns));
}
std::string Format(const InstallSnapshot& m) {
  return absl::StrCat("InstallSnapshot image=", FormatPosition(m.position));
}
std::string Format(const InstallSnapshotReply& m) {
  return absl::StrCat("InstallSnapshotReply image=", m.index.value(),
                      " installed=", YesNo(m.installed));
}
std::string Format(const TimeoutNow& m) {
  return absl::StrCat("TimeoutNow last=", m.last_index.value());
}
std::string Format(const Removed& m) {
  return absl::StrCat("Removed at=", m.index.value());
}
// The contexts of requests are random: not shown.
std::string Format(const ReadIndexRequest&) { return "ReadIndexRequest"; }
std::string Format(const ReadIndexReply& m) {
  return m.confirmed ? absl::StrCat("ReadIndexReply index=", m.index.value())
                     : "ReadIndexReply refused";
}

}  // namespace

std::string FormatPosition(const Position& position) {
  return Pair(position.term, position.index);
}

std::string FormatEntries(const std::vector<Entry>& entries) {
  std::vector<std::string> parts;
  for (const Entry& entry : entries) {
    std::string text = Pair(entry.term, entry.index);
    switch (entry.type) {
      case EntryType::kNoop:
        absl::StrAppend(&text, " noop");
        break;
      case EntryType::kConfChange:
        absl::StrAppend(
            &text, " {",
            FormatConfiguration(*DecodeConfiguration(entry.bytes())), "}");
        break;
      case EntryType::kApp:
        absl::StrAppend(&text, " ", entry.bytes());
        break;
    }
    parts.push_back(std::move(text));
  }
  return absl::StrCat("[", absl::StrJoin(parts, ", "), "]");
}

std::string FormatConfiguration(const Configuration& configuration) {
  std::string text = absl::StrCat("voters=", Replicas(configuration.voters));
  const auto append = [&](const char* name,
                          const std::vector<ReplicaId>& replicas) {
    if (replicas.empty()) return;
    absl::StrAppend(&text, " ", name, "=", Replicas(replicas));
  };
  append("outgoing", configuration.voters_outgoing);
  append("learners", configuration.learners);
  append("learners_next", configuration.learners_next);
  return text;
}

std::string FormatMessage(const Message& message) {
  const std::string body =
      std::visit([](const auto& m) { return Format(m); }, message.body);
  // The term comes right behind the name.
  const size_t name = std::min(body.find(' '), body.size());
  return absl::StrCat(message.from.value(), "->", message.to.value(), " ",
                      body.substr(0, name), " term=", message.term.value(),
                      body.substr(name));
}

std::vector<std::string> FormatReady(ReplicaId self, const Ready& ready) {
  std::vector<std::string> lines;
  const auto add = [&](const auto&... parts) {
    lines.push_back(absl::StrCat(self.value(), " ", parts...));
  };
  if (ready.soft_state.has_value()) {
    const SoftState& soft = *ready.soft_state;
    add("is ", std::string(RoleName(soft.role)), " at term ", soft.term.value(),
        ", leader ",
        soft.leader == ReplicaId{0} ? "unknown"
                                    : absl::StrCat(soft.leader.value()));
  }
  if (ready.configuration.has_value()) {
    add("has ", FormatConfiguration(*ready.configuration));
  }
  for (const Message& message : ready.messages) {
    lines.push_back(FormatMessage(message));
  }
  if (ready.persist.has_value()) {
    add("writes term=", ready.hard_state->term.value(),
        " vote=", ready.hard_state->voted_for.value(),
        " commit=", ready.hard_state->commit_index.value(), " ",
        FormatEntries(ready.entries));
  }
  for (const Message& message : ready.messages_after_persist) {
    lines.push_back(absl::StrCat("  then ", FormatMessage(message)));
  }
  if (!ready.committed.empty()) {
    add("applies ", FormatEntries(ready.committed));
  }
  if (ready.removed) add("is removed");
  for (const ReadState& read : ready.reads) {
    add("read ", read.context, " ",
        read.index.has_value() ? absl::StrCat("at ", read.index->value())
                               : "failed");
  }
  for (const FetchRequest& fetch : ready.fetches) {
    add("fetches from ", fetch.from.value(), " for ", fetch.follower.value());
  }
  for (const SnapshotSend& send : ready.snapshot_sends) {
    add("sends image ", FormatPosition(send.position), " to ",
        send.follower.value());
  }
  if (ready.snapshot_install.has_value()) {
    add("is to install image ",
        FormatPosition(ready.snapshot_install->position), " from ",
        ready.snapshot_install->leader.value());
  }
  return lines;
}

}  // namespace raft
