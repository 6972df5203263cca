#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using int32 = std::int32_t;
using int64 = std::int64_t;
using uint8 = std::uint8_t;
using uint32 = std::uint32_t;
using TCHAR = char16_t;
using ANSICHAR = char;

#define DT_STUB_TEXT(Literal) u##Literal
#define TEXT(Literal) DT_STUB_TEXT(Literal)
#define check(Condition)            \
  do {                              \
    if (!(Condition)) std::abort(); \
  } while (false)
#define verify(Condition) check(Condition)

#ifndef WITH_EDITOR
#define WITH_EDITOR 1
#endif

#define DIFFUSIONTALKERLIVELINK_API

// What the header tool reads. GENERATED_BODY comes from the generated header.
#define UCLASS(...)
#define UENUM(...)
#define UPROPERTY(...)
#define UFUNCTION(...)

template <typename T>
std::remove_reference_t<T>&& MoveTemp(T&& Value) {
  static_assert(!std::is_const_v<std::remove_reference_t<T>>, "nothing to move from");
  return static_cast<std::remove_reference_t<T>&&>(Value);
}

struct FMath {
  template <typename T>
  static T Clamp(T Value, T Least, T Most) {
    return std::min(std::max(Value, Least), Most);
  }
};

// Text in UTF-16. operator* gives the characters, as everywhere in the engine.
class FString {
 public:
  FString() = default;
  explicit FString(const TCHAR* Characters) : Text(Characters) {}
  const TCHAR* operator*() const { return Text.c_str(); }
  bool IsEmpty() const { return Text.empty(); }
  bool operator==(const FString& Other) const { return Text == Other.Text; }

 private:
  std::u16string Text;
};

namespace stub {

inline std::string ToUtf8(const TCHAR* Text) {
  std::string Out;
  for (; *Text != 0; ++Text) {
    std::uint32_t Code = *Text;
    if (Code >= 0xD800 && Code < 0xDC00 && Text[1] != 0) {
      Code = 0x10000 + ((Code - 0xD800) << 10) + (static_cast<std::uint32_t>(*++Text) - 0xDC00);
    }
    if (Code < 0x80) {
      Out += static_cast<char>(Code);
      continue;
    }
    const int More = Code < 0x800 ? 1 : Code < 0x10000 ? 2 : 3;
    Out += static_cast<char>(((0xFF00 >> (More + 1)) & 0xFF) | (Code >> (6 * More)));
    for (int Shift = 6 * (More - 1); Shift >= 0; Shift -= 6) {
      Out += static_cast<char>(0x80 | ((Code >> Shift) & 0x3F));
    }
  }
  return Out;
}

inline std::u16string ToUtf16(const char* Text) {
  std::u16string Out;
  while (*Text != 0) {
    const std::uint32_t Lead = static_cast<unsigned char>(*Text++);
    const int More = Lead < 0x80 ? 0 : Lead < 0xE0 ? 1 : Lead < 0xF0 ? 2 : 3;
    std::uint32_t Code = More == 0 ? Lead : Lead & (0x3Fu >> More);
    for (int i = 0; i < More && *Text != 0; ++i) {
      Code = (Code << 6) | (static_cast<unsigned char>(*Text++) & 0x3Fu);
    }
    if (Code >= 0x10000) {
      Out += static_cast<char16_t>(0xD800 + ((Code - 0x10000) >> 10));
      Code = 0xDC00 + ((Code - 0x10000) & 0x3FF);
    }
    Out += static_cast<char16_t>(Code);
  }
  return Out;
}

inline std::u16string Lower(std::u16string Text) {
  for (TCHAR& Character : Text) {
    if (Character >= u'A' && Character <= u'Z') Character = static_cast<TCHAR>(Character + 32);
  }
  return Text;
}

}  // namespace stub

// The pointers live until the end of the full expression, as in the engine.
#define UTF8_TO_TCHAR(Characters) (static_cast<const TCHAR*>(stub::ToUtf16(Characters).c_str()))
#define TCHAR_TO_UTF8(Characters) (static_cast<const ANSICHAR*>(stub::ToUtf8(Characters).c_str()))

class FName {
 public:
  FName() = default;
  explicit FName(const TCHAR* Characters) : Text(Characters) {}
  bool IsNone() const { return Text.empty(); }
  FString ToString() const { return FString(IsNone() ? TEXT("None") : Text.c_str()); }
  bool operator==(const FName& Other) const { return stub::Lower(Text) == stub::Lower(Other.Text); }
  bool operator!=(const FName& Other) const { return !(*this == Other); }
  bool operator<(const FName& Other) const { return stub::Lower(Text) < stub::Lower(Other.Text); }

 private:
  std::u16string Text;
};

class FText {
 public:
  static FText FromString(FString Text) {
    FText Out;
    Out.Text = std::move(Text);
    return Out;
  }
  // Refuses to compile without LOCTEXT_NAMESPACE.
  static FText Localised(const TCHAR*, const TCHAR*, const TCHAR* Text) {
    return FromString(FString(Text));
  }
  const FString& ToString() const { return Text; }

 private:
  FString Text;
};
#define LOCTEXT(Key, Text) FText::Localised(TEXT(LOCTEXT_NAMESPACE), TEXT(Key), TEXT(Text))

template <typename T>
class TArray {
 public:
  void Reserve(int32 Count) { Items.reserve(static_cast<std::size_t>(Count)); }
  int32 Add(const T& Item) {
    Items.push_back(Item);
    return Num() - 1;
  }
  int32 AddUnique(const T& Item) {
    const auto Found = std::find(Items.begin(), Items.end(), Item);
    return Found == Items.end() ? Add(Item) : static_cast<int32>(Found - Items.begin());
  }
  void Empty() { Items.clear(); }
  int32 Num() const { return static_cast<int32>(Items.size()); }
  const T& operator[](int32 Index) const {
    check(Index >= 0 && Index < Num());
    return Items[static_cast<std::size_t>(Index)];
  }
  auto begin() const { return Items.begin(); }
  auto end() const { return Items.end(); }

 private:
  std::vector<T> Items;
};

template <typename KeyType, typename ValueType>
struct TPair {
  KeyType Key;
  ValueType Value;
};

template <typename KeyType, typename ValueType>
class TMap {
 public:
  void Add(const KeyType& Key, const ValueType& Value) {
    for (auto& Pair : Pairs) {
      if (Pair.Key != Key) continue;
      Pair.Value = Value;
      return;
    }
    Pairs.push_back({Key, Value});
  }
  void Empty() { Pairs.clear(); }
  auto begin() const { return Pairs.begin(); }
  auto end() const { return Pairs.end(); }

 private:
  std::vector<TPair<KeyType, ValueType>> Pairs;
};

template <typename T>
class TSharedRef {
 public:
  explicit TSharedRef(std::shared_ptr<T> InPointer) : Pointer(std::move(InPointer)) {
    check(Pointer);
  }
  T* operator->() const { return Pointer.get(); }
  const std::shared_ptr<T>& Shared() const { return Pointer; }

 private:
  std::shared_ptr<T> Pointer;
};

template <typename T>
class TSharedPtr {
 public:
  TSharedPtr() = default;
  TSharedPtr(std::nullptr_t) {}
  template <typename Derived>
  TSharedPtr(const TSharedRef<Derived>& Reference) : Pointer(Reference.Shared()) {}
  bool IsValid() const { return Pointer != nullptr; }
  T* Get() const { return Pointer.get(); }
  T* operator->() const {
    check(Pointer);
    return Pointer.get();
  }
  void Reset() { Pointer.reset(); }

 private:
  std::shared_ptr<T> Pointer;
};

template <typename T, typename... Arguments>
TSharedRef<T> MakeShared(Arguments&&... Values) {
  return TSharedRef<T>(std::make_shared<T>(std::forward<Arguments>(Values)...));
}

// A delegate that holds at most one function.
template <typename... Arguments>
class TStubDelegate {
 public:
  void Bind(std::function<void(Arguments...)> InFunction) { Function = std::move(InFunction); }
  bool ExecuteIfBound(Arguments... Values) const {
    if (!Function) return false;
    Function(Values...);
    return true;
  }

 private:
  std::function<void(Arguments...)> Function;
};

struct FGuid {
  FGuid() = default;
  FGuid(uint32 InA, uint32 InB, uint32 InC, uint32 InD) : A(InA), B(InB), C(InC), D(InD) {}
  bool operator==(const FGuid& O) const { return A == O.A && B == O.B && C == O.C && D == O.D; }
  uint32 A = 0, B = 0, C = 0, D = 0;
};

class FObjectInitializer {};

// Objects know their class; there is no RTTI to ask.
struct UClass {};

class UObject {
 public:
  virtual ~UObject() = default;
  virtual UClass* GetClass() const = 0;
};

template <typename To, typename From>
To* Cast(From* Object) {
  return Object != nullptr && Object->GetClass() == To::StaticClass() ? static_cast<To*>(Object)
                                                                      : nullptr;
}

template <typename T>
class TSubclassOf {
 public:
  TSubclassOf() = default;
  TSubclassOf(UClass* InClass) : Class(InClass) {}
  UClass* Get() const { return Class; }

 private:
  UClass* Class = nullptr;
};

#define DT_STUB_CLASS_BODY                                    \
 public:                                                      \
  static UClass* StaticClass() {                              \
    static UClass Class;                                      \
    return &Class;                                            \
  }                                                           \
  UClass* GetClass() const override { return StaticClass(); } \
                                                              \
 private:
