// MultiMap is a set of values for each key. A key is there as long as it has
// values: the first value brings it, the last one takes it along.
//
// All values of a key travel in one message (Get, Replace, Entries), so they
// have bounds together, judged when a command is applied: what would exceed
// them is kInvalid and changes nothing.
//
// Clear empties it at once; listeners may be told with the entries that follow
// (clearable_table.h).

#ifndef PRIMITIVE_MULTIMAP_H_
#define PRIMITIVE_MULTIMAP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "atomix/multiraft/multimap/v1/fsm.pb.h"
#include "primitive/basic_primitive.h"
#include "primitive/clearable_table.h"
#include "primitive/retired.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/types.h"

namespace primitive {

// The row's key is the pair {key, value}.
struct MultiMapRow {
  void Encode(std::string &out) const;
  static bool Decode(absl::string_view bytes, MultiMapRow &row);
  size_t size_bytes() const { return 9; }

  uint64_t index = 0;  // Of the command that added it.
};

class MultiMap final : public BasicPrimitive {
 public:
  // The values of one key. Do not change: on disk, by their effects.
  static constexpr size_t kKeyValuesMax = 1 << 14;
  static constexpr size_t kKeyBytesMax = 1 << 20;
  // Entries and values that one command may name together.
  static constexpr int kRequestItemsMax = 1 << 14;

  MultiMap(session::TableSet &tables, session::PrimitiveId id);

  void Command(session::CommandContext &context, uint32_t operation,
               absl::string_view input) override;
  session::Result Query(uint32_t operation,
                        absl::string_view input) const override;
  session::Listing List(const session::StreamQuery &query,
                        absl::string_view cursor,
                        const session::SliceBounds &bounds) const override;
  bool Watches(const session::StreamQuery &query) const override;
  void TimerFired(session::PrimitiveContext &context,
                  absl::string_view key) override;
  void Loaded(session::PrimitiveContext &context) override;

 private:
  using Context = session::PrimitiveContext;
  using Pair = std::pair<std::string, std::string>;  // Key and value.
  // Views of a command's input, in its order.
  using Pairs = std::vector<std::pair<absl::string_view, absl::string_view>>;

  struct Totals {
    void Add(absl::string_view value) {
      ++values;
      bytes += value.size();
    }

    // Nearly, of the message with all values.
    size_t list_bytes() const { return bytes + 4 * values; }

    size_t values = 0;
    size_t bytes = 0;
  };
  using Keys = absl::btree_map<std::string, Totals>;

  session::Result Put(Context &context,
                      const atomix::multiraft::multimap::v1::PutInput &input);
  session::Result Replace(
      Context &context,
      const atomix::multiraft::multimap::v1::ReplaceInput &input);
  session::Result Remove(
      Context &context,
      const atomix::multiraft::multimap::v1::RemoveInput &input);
  session::Result RemoveAll(
      Context &context,
      const atomix::multiraft::multimap::v1::RemoveAllInput &input);
  session::Result RemoveEntries(Context &context, const Pairs &pairs);
  session::Result Clear(Context &context);

  // PutAll and PutEntries: adds those of `pairs` that are missing. The answer
  // is an Output whose `updated` is whether there were any.
  template <class Output>
  session::Result AddMissing(Context &context, const Pairs &pairs);

  // Those of `pairs` that are there, or are not, each once, for a command that
  // may write them: dead rows there go first.
  Pairs Select(Context &context, const Pairs &pairs, bool present);
  // Why a key may not have `totals`; any key, those that it has and `added`.
  static std::optional<session::Result> Refusal(const Totals &totals);
  std::optional<session::Result> Refusal(const Pairs &added) const;

  // One pair comes, is absent before; goes, is there before. Listeners are
  // told, watchers not.
  void Add(Context &context, const Pair &pair);
  void Erase(Context &context, const Pair &pair);
  // Tells watchers which values a key has now; of each key in `changed` once,
  // or interrupts them if that would be too long.
  void NotifyKey(Context &context, const std::string &key) const;
  void NotifyKeys(Context &context, const Pairs &changed) const;

  // In bytewise order.
  std::vector<std::string> ValuesOf(const std::string &key) const;
  std::string EntryOutput(const std::string &key) const;

  ClearableTable<Pair, MultiMapRow> rows_;

  // Derived.
  Keys keys_;              // Those with live rows.
  Retired<Keys> retired_;  // Of Clears.
};

session::PrimitiveType MultiMapType();

}  // namespace primitive

#endif  // PRIMITIVE_MULTIMAP_H_
