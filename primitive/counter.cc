// Row of a counter:
//
//   version u8 = 1 | value u64, two's complement

#include "primitive/counter.h"

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/counter/v1/fsm.pb.h"
#include "base/coding.h"
#include "primitive/input.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::counter::v1;
using session::Failure;
using session::OperationStatus;
using session::Result;

// Fields of CounterInput. Do not change: on disk.
enum : uint32_t {
  kIncrement = 1,
  kDecrement = 2,
  kGet = 3,
  kSet = 4,
  kUpdate = 5,
};

constexpr uint8_t kRowVersion = 1;
constexpr uint64_t kRowKey = 0;

// Signed overflow is undefined; unsigned wraps around, as the API promises.
int64_t Add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) +
                              static_cast<uint64_t>(b));
}
int64_t Subtract(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) -
                              static_cast<uint64_t>(b));
}

template <class Output>
Result AnswerValue(int64_t value) {
  Output output;
  output.set_value(value);
  return Answer(output);
}

}  // namespace

void CounterRow::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, static_cast<uint64_t>(value));
}

bool CounterRow::Decode(absl::string_view bytes, CounterRow& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.value = static_cast<int64_t>(reader.U64());
  return reader.done() && version == kRowVersion;
}

Counter::Counter(session::TableSet& tables, session::PrimitiveId id)
    : table_(tables, session::TableId::kCounter, id.value()) {}

void Counter::Command(session::CommandContext& context, uint32_t operation,
                      absl::string_view bytes) {
  switch (operation) {
    case kIncrement:
      return HandleCommand<pb::IncrementInput>(
          context, bytes, [&](const auto& input) {
            return AnswerValue<pb::IncrementOutput>(
                Set(Add(value(), input.delta())));
          });
    case kDecrement:
      return HandleCommand<pb::DecrementInput>(
          context, bytes, [&](const auto& input) {
            return AnswerValue<pb::DecrementOutput>(
                Set(Subtract(value(), input.delta())));
          });
    case kSet:
      return HandleCommand<pb::SetInput>(
          context, bytes, [&](const auto& input) {
            return AnswerValue<pb::SetOutput>(Set(input.value()));
          });
    case kUpdate:
      return HandleCommand<pb::UpdateInput>(
          context, bytes, [&](const auto& input) {
            if (value() != input.compare()) {
              return Failure(OperationStatus::kConflict,
                             absl::StrCat("value is ", value(), ", not ",
                                          input.compare()));
            }
            return AnswerValue<pb::UpdateOutput>(Set(input.update()));
          });
    default:
      return context.Answer(NotSupported());
  }
}

Result Counter::Query(uint32_t operation, absl::string_view bytes) const {
  if (operation != kGet) return NotSupported();
  return HandleQuery<pb::GetInput>(
      bytes, [&](const auto&) { return AnswerValue<pb::GetOutput>(value()); });
}

int64_t Counter::value() const {
  const CounterRow* row = table_.Find(kRowKey);
  return row == nullptr ? 0 : row->value;
}

int64_t Counter::Set(int64_t value) {
  table_.Put(kRowKey, CounterRow{.value = value});
  return value;
}

session::PrimitiveType CounterType() {
  using enum session::OperationKind;
  constexpr bool kDoesNotGrow = false;
  return {
      .name = "counter",
      .service = "atomix.multiraft.counter.v1.Counter",
      .type_strings = {"atomix.runtime.counter.v1.Counter",
                       "atomix.multiraft.counter.v1.Counter"},
      .operations =
          {
              {kIncrement, "Increment", kCommand, kDoesNotGrow,
               CheckInput<pb::IncrementInput>},
              {kDecrement, "Decrement", kCommand, kDoesNotGrow,
               CheckInput<pb::DecrementInput>},
              {kGet, "Get", kQuery, kDoesNotGrow, CheckInput<pb::GetInput>},
              {kSet, "Set", kCommand, kDoesNotGrow, CheckInput<pb::SetInput>},
              {kUpdate, "Update", kCommand, kDoesNotGrow,
               CheckInput<pb::UpdateInput>},
          },
      .create = CreatePrimitive<Counter>,
  };
}

}  // namespace primitive
