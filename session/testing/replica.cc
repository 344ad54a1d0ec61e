#include "session/testing/replica.h"

#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "base/bloom.h"
#include "base/check.h"
#include "base/hash.h"

namespace session::testing {

namespace disk = multiraft::disk::v1;

// As storage/ keeps it: every version, the newest not above the pointer counts.
struct Replica::Store {
  std::map<std::tuple<TableId, std::string, uint64_t>, EncodedRow> versions;
};

Replica::Replica(const Limits& limits)
    : limits_(limits),
      machine_(std::make_unique<StateMachine>(BoxRegistry(), limits)),
      store_(std::make_shared<Store>()) {}

disk::BloomFilter FilterOf(const std::vector<uint64_t>& running) {
  const base::Bloom bloom = base::BuildBloom(running);
  disk::BloomFilter filter;
  filter.set_bits(bloom.bits);
  filter.set_hashes(bloom.hashes);
  filter.set_set_bits(bloom.set_bits);
  filter.set_words(bloom.words);
  return filter;
}

bool FilterHolds(const std::vector<uint64_t>& running, uint64_t number) {
  return base::BloomContains(base::BuildBloom(running), number);
}

std::string ToString(const Result& result) {
  if (result.status == OperationStatus::kOk) return result.output;
  return absl::StrCat("!", static_cast<int>(result.status), " ",
                      result.message);
}

disk::Command PrimitiveCommandOf(SessionId session, uint64_t sequence,
                                 PrimitiveId primitive, uint32_t operation,
                                 absl::string_view input) {
  disk::Command command;
  disk::SessionCommand& body = *command.mutable_session_command();
  body.set_session_id(session.value());
  body.set_sequence_num(sequence);
  body.set_generation(1);
  body.set_input_hash(base::Hash64(
      absl::StrCat(primitive.value(), "/", operation, "/", input)));
  body.mutable_primitive()->set_primitive_id(primitive.value());
  body.mutable_primitive()->set_operation(operation);
  body.mutable_primitive()->set_input(std::string(input));
  body.mutable_primitive()->set_type("box");
  return command;
}

SessionId Replica::Open(uint64_t timeout_ns) {
  disk::Command command;
  command.mutable_open_session()->set_timeout_ns(timeout_ns);
  return Apply(command).session;
}

Applied Replica::KeepAlive(
    SessionId session, uint64_t last, const std::vector<uint64_t>& running,
    const std::vector<std::pair<uint64_t, uint64_t>>& acks) {
  disk::Command command;
  disk::KeepAlive& body = *command.mutable_keep_alive();
  body.set_session_id(session.value());
  body.set_last_input_sequence_num(last);
  *body.mutable_input_filter() = FilterOf(running);
  for (const auto& [sequence, output] : acks) {
    disk::Acknowledgement& ack = *body.add_acknowledgements();
    ack.set_sequence_num(sequence);
    ack.set_output_sequence_num(output);
  }
  return Apply(command);
}

Applied Replica::Close(SessionId session) {
  disk::Command command;
  command.mutable_close_session()->set_session_id(session.value());
  return Apply(command);
}

Applied Replica::Run(SessionId session, uint64_t sequence,
                     PrimitiveId primitive, uint32_t operation,
                     absl::string_view input) {
  return Apply(
      PrimitiveCommandOf(session, sequence, primitive, operation, input));
}

PrimitiveId Replica::Create(SessionId session, uint64_t sequence,
                            absl::string_view name, absl::string_view service) {
  disk::Command command;
  disk::SessionCommand& body = *command.mutable_session_command();
  body.set_session_id(session.value());
  body.set_sequence_num(sequence);
  body.set_input_hash(base::Hash64(absl::StrCat(name, "/", service)));
  body.mutable_create_primitive()->set_service(std::string(service));
  body.mutable_create_primitive()->set_name(std::string(name));
  const Applied applied = Apply(command);
  const std::string& output = applied.output.result.output;
  if (applied.outcome != Applied::Outcome::kAnswered || output.empty()) {
    return PrimitiveId(0);
  }
  CHECK_EQ(output[0], '\x08');  // Field 1, varint.
  uint64_t id = 0;
  for (size_t i = 1; i < output.size(); ++i) {
    id |= uint64_t{output[i] & 0x7fu} << (7 * (i - 1));
  }
  return PrimitiveId(id);
}

Applied Replica::ClosePrimitive(SessionId session, uint64_t sequence,
                                PrimitiveId primitive) {
  disk::Command command;
  disk::SessionCommand& body = *command.mutable_session_command();
  body.set_session_id(session.value());
  body.set_sequence_num(sequence);
  body.set_input_hash(primitive.value());
  body.mutable_close_primitive()->set_primitive_id(primitive.value());
  return Apply(command);
}

Applied Replica::Cancel(SessionId session, uint64_t sequence) {
  disk::Command command;
  command.mutable_session_command()->set_session_id(session.value());
  command.mutable_session_command()->set_cancel(sequence);
  return Apply(command);
}

Applied Replica::Tick() {
  disk::Command command;
  command.mutable_tick();
  return Apply(command);
}

Applied Replica::NoOp() { return ApplyBytes(""); }

Applied Replica::Checkpoint() {
  disk::Command command;
  command.mutable_checkpoint();
  return Apply(command);
}

Applied Replica::Apply(const disk::Command& command) {
  return ApplyBytes(command.SerializeAsString());
}

Applied Replica::ApplyBytes(std::string payload) {
  return ApplyKept({term_, time_ns_, std::move(payload)});
}

Applied Replica::ApplyKept(const KeptEntry& entry) {
  term_ = entry.term;
  time_ns_ = entry.time_ns;
  log_.push_back(entry);
  return machine_->Apply({.log_index = machine_->applied_log_index() + 1,
                          .term = entry.term,
                          .time_ns = entry.time_ns,
                          .payload = entry.payload});
}

std::string Replica::Outputs(SessionId session, uint64_t sequence,
                             uint64_t after) const {
  std::string all;
  while (true) {
    const OutputRead read =
        machine_->ReadOutput({session, SequenceNum(sequence)}, after);
    if (read.kind == OutputRead::Kind::kNothingYet) return all;
    if (!all.empty()) all += " ";
    if (read.kind == OutputRead::Kind::kEnded) return all + "end";
    absl::StrAppend(&all, read.output.number, ":",
                    ToString(read.output.result));
    after = read.output.number;
  }
}

std::string Replica::Get(SessionId session, PrimitiveId primitive,
                         absl::string_view key) const {
  const PrimitiveType& type = BoxRegistry().types()[0];
  const QueryAnswer answer =
      machine_->RunQuery({.session = session,
                          .primitive = primitive,
                          .type = &type,
                          .operation = type.FindOperation(kGet),
                          .input = std::string(key)});
  return answer.unknown_session ? "unknown session" : ToString(answer.result);
}

StateMachine::OpenedQuery Replica::List(SessionId session, uint64_t sequence,
                                        PrimitiveId primitive,
                                        absl::string_view input) {
  const PrimitiveType& type = BoxRegistry().types()[0];
  return machine_->OpenQuery({.session = session,
                              .sequence = SequenceNum(sequence),
                              .primitive = primitive,
                              .type = &type,
                              .operation = type.FindOperation(kList),
                              .input = std::string(input)});
}

std::string Replica::ReadAll(QueryStreamId id) {
  std::string all;
  while (true) {
    const OutputRead read = machine_->ReadQuery(id);
    if (read.kind == OutputRead::Kind::kNothingYet) return all;
    if (!all.empty()) all += " ";
    if (read.kind == OutputRead::Kind::kEnded) return all + "end";
    if (read.kind == OutputRead::Kind::kOverflow) return all + "overflow";
    all += ToString(read.output.result);
  }
}

void Replica::WriteImage(size_t rows_max) {
  std::vector<EncodedRow> rows;
  while (!machine_->EncodeSlice(rows_max, 1 << 20, rows)) {
  }
  for (EncodedRow& row : rows) {
    store_->versions[{row.table, row.key, row.checkpoint}] = std::move(row);
  }
  image_ = std::make_shared<KeptImage>();
  image_->header = machine_->image_header();
  // The newest version of each row; versions of a row are neighbours.
  const EncodedRow* newest = nullptr;
  auto keep = [&] {
    if (newest != nullptr && !newest->erased) image_->rows.push_back(*newest);
  };
  for (const auto& [key, row] : store_->versions) {
    if (newest != nullptr &&
        (newest->table != row.table || newest->key != row.key)) {
      keep();
    }
    newest = &row;
  }
  keep();
  const TableSet::Obsolete obsolete = machine_->ImageDurable();
  for (const ObsoleteVersion& version : obsolete.versions) {
    store_->versions.erase({version.table, version.key, version.checkpoint});
  }
}

Replica Replica::Load(const KeptImage& image, const Limits& limits) {
  Replica replica(limits);
  for (const EncodedRow& row : image.rows) {
    const absl::Status status = replica.machine_->LoadRow(row);
    CHECK(status.ok()) << status.ToString();
    replica.store_->versions[{row.table, row.key, row.checkpoint}] = row;
  }
  const absl::Status status = replica.machine_->FinishLoad(image.header);
  CHECK(status.ok()) << status.ToString();
  replica.term_ = image.header.term;
  replica.time_ns_ = image.header.time_ns;
  return replica;
}

}  // namespace session::testing
