// How the keys of tables become bytes of an image, and back: EncodeRowKey and
// DecodeRowKey for unsigned integers, strong integers, enums over unsigned,
// std::string, and pairs and tuples of these.
//
// Do not change: on disk. Numbers are big-endian; a string that is the last
// component is itself, any other is base::AppendOrdered. So the bytewise order
// of encodings is the order of keys.

#ifndef SESSION_ROW_KEY_H_
#define SESSION_ROW_KEY_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/coding.h"
#include "base/strong_int.h"
#include "session/types.h"

namespace session {

// RowKey<Key> has
//   kPrefixIsKey: equal prefixes mean equal keys;
//   Prefix(key): a number that never orders two keys the other way round;
//   Size(key): its bytes of content;
//   Append(out, key, last) and Read(reader, key, last).
template <class Key>
struct RowKey;

template <std::unsigned_integral Int>
struct RowKey<Int> {
  static constexpr bool kPrefixIsKey = true;

  static uint64_t Prefix(Int key) { return key; }
  static size_t Size(Int) { return sizeof(Int); }
  static void Append(std::string& out, Int key, bool /*last*/) {
    for (int shift = (sizeof(Int) - 1) * 8; shift >= 0; shift -= 8) {
      out.push_back(static_cast<char>(static_cast<uint64_t>(key) >> shift));
    }
  }
  static void Read(base::Reader& reader, Int& key, bool /*last*/) {
    uint64_t value = 0;
    for (char c : reader.Bytes(sizeof(Int))) {
      value = value << 8 | static_cast<uint8_t>(c);
    }
    key = static_cast<Int>(value);
  }
};

template <class Enum>
requires std::is_enum_v<Enum>
struct RowKey<Enum> {
  using Int = std::underlying_type_t<Enum>;
  static constexpr bool kPrefixIsKey = true;

  static uint64_t Prefix(Enum key) { return static_cast<Int>(key); }
  static size_t Size(Enum) { return sizeof(Int); }
  static void Append(std::string& out, Enum key, bool last) {
    RowKey<Int>::Append(out, static_cast<Int>(key), last);
  }
  static void Read(base::Reader& reader, Enum& key, bool last) {
    Int value = 0;
    RowKey<Int>::Read(reader, value, last);
    key = static_cast<Enum>(value);
  }
};

template <class Tag, class Int>
struct RowKey<base::StrongInt<Tag, Int>> {
  using Key = base::StrongInt<Tag, Int>;
  static constexpr bool kPrefixIsKey = true;

  static uint64_t Prefix(Key key) { return key.value(); }
  static size_t Size(Key) { return sizeof(Int); }
  static void Append(std::string& out, Key key, bool last) {
    RowKey<Int>::Append(out, key.value(), last);
  }
  static void Read(base::Reader& reader, Key& key, bool last) {
    Int value = 0;
    RowKey<Int>::Read(reader, value, last);
    key = Key(value);
  }
};

template <>
struct RowKey<std::string> {
  static constexpr bool kPrefixIsKey = false;

  static uint64_t Prefix(const std::string& key) {
    uint64_t prefix = 0;
    for (size_t i = 0; i < 8; ++i) {
      prefix =
          prefix << 8 | (i < key.size() ? static_cast<uint8_t>(key[i]) : 0);
    }
    return prefix;
  }
  static size_t Size(const std::string& key) { return key.size(); }
  static void Append(std::string& out, const std::string& key, bool last) {
    if (last) {
      out += key;
    } else {
      base::AppendOrdered(out, key);
    }
  }
  static void Read(base::Reader& reader, std::string& key, bool last) {
    if (last) {
      absl::string_view bytes = reader.Bytes(reader.rest().size());
      key.assign(bytes.data(), bytes.size());
    } else {
      key = reader.Ordered();
    }
  }
};

template <class... Parts>
struct RowKey<std::tuple<Parts...>> {
  using Key = std::tuple<Parts...>;
  static constexpr size_t kLast = sizeof...(Parts) - 1;
  static constexpr bool kPrefixIsKey = false;

  static uint64_t Prefix(const Key& key) {
    using First = std::tuple_element_t<0, Key>;
    return RowKey<First>::Prefix(std::get<0>(key));
  }
  static size_t Size(const Key& key) {
    return std::apply(
        [](const Parts&... part) {
          return (RowKey<Parts>::Size(part) + ... + 0);
        },
        key);
  }
  static void Append(std::string& out, const Key& key, bool last) {
    size_t i = 0;
    std::apply(
        [&](const Parts&... part) {
          (RowKey<Parts>::Append(out, part, last && i++ == kLast), ...);
        },
        key);
  }
  static void Read(base::Reader& reader, Key& key, bool last) {
    size_t i = 0;
    std::apply(
        [&](Parts&... part) {
          (RowKey<Parts>::Read(reader, part, last && i++ == kLast), ...);
        },
        key);
  }
};

template <class A, class B>
struct RowKey<std::pair<A, B>> {
  using Key = std::pair<A, B>;
  static constexpr bool kPrefixIsKey = false;

  static uint64_t Prefix(const Key& key) {
    return RowKey<A>::Prefix(key.first);
  }
  static size_t Size(const Key& key) {
    return RowKey<A>::Size(key.first) + RowKey<B>::Size(key.second);
  }
  static void Append(std::string& out, const Key& key, bool last) {
    RowKey<A>::Append(out, key.first, false);
    RowKey<B>::Append(out, key.second, last);
  }
  static void Read(base::Reader& reader, Key& key, bool last) {
    RowKey<A>::Read(reader, key.first, false);
    RowKey<B>::Read(reader, key.second, last);
  }
};

template <>
struct RowKey<CommandKey> {
  static constexpr bool kPrefixIsKey = false;

  static uint64_t Prefix(const CommandKey& key) { return key.session.value(); }
  static size_t Size(const CommandKey&) { return 2 * sizeof(uint64_t); }
  static void Append(std::string& out, const CommandKey& key, bool last) {
    RowKey<SessionId>::Append(out, key.session, false);
    RowKey<SequenceNum>::Append(out, key.sequence, last);
  }
  static void Read(base::Reader& reader, CommandKey& key, bool last) {
    RowKey<SessionId>::Read(reader, key.session, false);
    RowKey<SequenceNum>::Read(reader, key.sequence, last);
  }
};

// Appends `key` to `out`.
template <class Key>
void EncodeRowKey(const Key& key, std::string& out) {
  RowKey<Key>::Append(out, key, /*last=*/true);
}

// False if `bytes` is not the encoding of a key.
template <class Key>
bool DecodeRowKey(absl::string_view bytes, Key& key) {
  base::Reader reader(bytes);
  RowKey<Key>::Read(reader, key, /*last=*/true);
  return reader.done();
}

}  // namespace session

#endif  // SESSION_ROW_KEY_H_
