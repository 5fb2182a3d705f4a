# ------------------------------------------------------------------------ the same in all of these scripts, from here
set -u
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
doubt='' told=0 round=0 waits=0

need() { # the variables that must be set
  local name
  for name; do
    if [ -z "${!name:-}" ]; then
      echo "could not tell: $name is not set"
      exit 2
    fi
  done
}
new_id() { # an id that no contact has
  local x
  x=$(od -An -N16 -v -tx1 /dev/urandom | tr -d ' \n')
  echo "${x:0:8}-${x:8:4}-4${x:13:3}-a${x:17:3}-${x:20:12}"
}
plain() { printf %s "${1//-/}"; }
upper() { printf %s "$1" | tr 'a-z' 'A-Z'; }
swapped() { printf %s "$1" | tr 'a-zA-Z' 'A-Za-z'; }
flipped() { if [ "${1: -1}" = 0 ]; then printf %s "${1%?}1"; else printf %s "${1%?}0"; fi; }
backwards() {
  local i
  for ((i = ${#1} - 1; i >= 0; i--)); do printf %s "${1:i:1}"; done
}
times() { printf "%.0s$2" $(seq "$1"); }

# Requests wait in `args` until they are sent, all by one curl, so that they share a connection.
request() { # method, path, headers...; the body lies in $dir/body, if there is one
  local method=$1 path=$2 header
  shift 2
  n=$((n + 1))
  [ "$queued" = 0 ] || args+=(--next)
  queued=$((queued + 1))
  args+=(-sS --compressed --globoff --path-as-is --noproxy '127.0.0.1,localhost,::1' --max-time 10 -X "$method")
  args+=(-D "$dir/$n.head" -o "$dir/$n.body" -w "$n %{exitcode}\n" -H 'User-Agent: contact-apis-reproducer' -H 'Accept: application/json' -H 'Expect:')
  [ "$method" != HEAD ] || args+=(--head)
  for header; do args+=(-H "$header"); done
  if [ -f "$dir/body" ]; then
    mv "$dir/body" "$dir/$n.sent"
    args+=(--data-binary "@$dir/$n.sent")
  fi
  args+=("${base%/}$path")
}
flush() { # sends what waits; with --parallel all at once
  [ "$queued" = 0 ] || curl "$@" "${args[@]}" >>"$dir/codes" 2>>"$dir/errors" </dev/null
  args=() queued=0
}
body() { printf %s "$1" >"$dir/body"; }

hex() { # the bytes of a text as hexadecimal digits, in REPLY
  local LC_ALL=C i number digits
  REPLY=''
  for ((i = 0; i < ${#1}; i++)); do
    printf -v number %d "'${1:i:1}"
    printf -v digits %02x $((number & 255))
    REPLY+=$digits
  done
}
read_json() { # of the hexadecimal digits of a text: each value's JSON pointer, type, and text; fails for what is not JSON
  awk '
    function bad() { if (!broken) broken = 1; p = length(s) + 1 }
    function byte() { return substr(s, p, 2) }
    function blanks() { while (byte() ~ /^(20|09|0a|0d)$/) p += 2 }
    function code(n) { # a code point in UTF-8
      if (n < 128) return sprintf("%02x", n)
      if (n < 2048) return sprintf("%02x%02x", 192 + int(n / 64), 128 + n % 64)
      if (n < 65536) return sprintf("%02x%02x%02x", 224 + int(n / 4096), 128 + int(n / 64) % 64, 128 + n % 64)
      return sprintf("%02x%02x%02x%02x", 240 + int(n / 262144), 128 + int(n / 4096) % 64, 128 + int(n / 64) % 64, 128 + n % 64)
    }
    function four(  i, n, d) { # four digits after \u
      n = 0
      for (i = 0; i < 4; i++) {
        d = byte()
        if (d ~ /^3[0-9]$/) d = substr(d, 2) + 0
        else if (d ~ /^[46][1-6]$/) d = substr(d, 2) + 9
        else { bad(); return 0 }
        n = n * 16 + d
        p += 2
      }
      return n
    }
    function text(  out, b, n, low, more) {
      out = ""
      p += 2
      while (p <= length(s)) {
        b = byte()
        p += 2
        if (b == "22") return out
        if (b < "20") { bad(); return "" }
        if (b == "5c") {
          b = byte()
          p += 2
          if (b ~ /^(22|5c|2f)$/) out = out b
          else if (b == "62") out = out "08"
          else if (b == "66") out = out "0c"
          else if (b == "6e") out = out "0a"
          else if (b == "72") out = out "0d"
          else if (b == "74") out = out "09"
          else if (b == "75") {
            n = four()
            if (n >= 55296 && n < 56320 && substr(s, p, 4) == "5c75") {
              p += 4
              low = four()
              if (low >= 56320 && low < 57344) n = 65536 + (n - 55296) * 1024 + low - 56320
              else { out = out code(n); n = low }
            }
            out = out code(n)
          } else { bad(); return "" }
        } else if (b < "80") out = out b
        else {
          more = b ~ /^(c[2-9a-f]|d.)$/ ? 1 : b ~ /^e/ ? 2 : b ~ /^f[0-4]$/ ? 3 : -1
          if (more < 0) { bad(); return "" }
          out = out b
          while (more-- > 0) {
            if (byte() !~ /^[89ab]/) { bad(); return "" }
            out = out byte()
            p += 2
          }
        }
      }
      bad()
      return ""
    }
    function key(hexed,  out, i, b) { # a step of a JSON pointer
      out = ""
      for (i = 1; i <= length(hexed); i += 2) {
        b = substr(hexed, i, 2)
        out = out (b == "7e" ? "7e30" : b == "2f" ? "7e31" : b)
      }
      return out
    }
    function value(place,  b, name, number, word) {
      if (++depth > 1000) { bad(); return }
      blanks()
      b = byte()
      if (b == "22") { word = text(); print "=" place " string " word }
      else if (b == "7b") {
        print "=" place " object "
        p += 2
        blanks()
        if (byte() == "7d") p += 2
        else while (!broken) {
          blanks()
          if (byte() != "22") { bad(); break }
          name = key(text())
          blanks()
          if (byte() != "3a") { bad(); break }
          p += 2
          value(place "2f" name)
          blanks()
          b = byte()
          p += 2
          if (b == "7d") break
          if (b != "2c") bad()
        }
      } else if (b == "5b") {
        print "=" place " array "
        p += 2
        blanks()
        number = 0
        if (byte() == "5d") p += 2
        else while (!broken) {
          value(place "2f" digits(number++))
          blanks()
          b = byte()
          p += 2
          if (b == "5d") break
          if (b != "2c") bad()
        }
      } else {
        word = ""
        while (byte() ~ /^(2b|2d|2e|3.|4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a])$/) { word = word byte(); p += 2 }
        if (word == "74727565" || word == "66616c7365") print "=" place " boolean " word
        else if (word == "6e756c6c") print "=" place " null " word
        else if (word ~ /^(2d)?(30|3[1-9](3[0-9])*)$/) print "=" place " integer " word
        else if (word ~ /^(2d)?(30|3[1-9](3[0-9])*)(2e(3[0-9])+)?([46]5(2b|2d)?(3[0-9])+)?$/) print "=" place " number " word
        else bad()
      }
      depth--
    }
    function digits(n,  out, i) {
      out = ""
      n = n ""
      for (i = 1; i <= length(n); i++) out = out "3" substr(n, i, 1)
      return out
    }
    { s = s $0 }
    END { p = 1; value(""); blanks(); if (p <= length(s)) broken = 1; if (s == "") broken = 1; exit broken ? 3 : 0 }'
}
spoken() { # hexadecimal digits as text, for a message
  printf '%b' "$(printf %s "$1" | sed -e 's/../& /g' -e 's/00 //g' -e 's/\(..\) /\\x\1/g')"
}
matches() {
  local LC_ALL=C pattern="^($1)\$"
  [[ $2 =~ $pattern ]]
}
status_of() { # in REPLY; 0 when no response came
  if [ -z "${statuses[$1]:-}" ]; then
    statuses[$1]=0
    code_of "$1"
    if [ "$REPLY" = 0 ] && [ -f "$dir/$1.head" ]; then
      statuses[$1]=$(LC_ALL=C sed -n 's/^HTTP\/[0-9.]* \([0-9][0-9][0-9]\).*/\1/p' "$dir/$1.head" | tail -n 1)
    fi
  fi
  REPLY=${statuses[$1]:-0}
}
code_of() { # how curl ended, in REPLY
  REPLY=$(sed -n "s/^$1 //p" "$dir/codes" | tail -n 1)
  REPLY=${REPLY:-0}
}
no_response() { # why none came, in REPLY
  code_of "$1"
  REPLY="no response came (curl $REPLY: $(tail -n 1 "$dir/errors"))"
}
header_of() {
  LC_ALL=C tr -d '\r' <"$dir/$1.head" | LC_ALL=C awk -v name="$2:" '
    tolower(substr($0, 1, length(name))) == tolower(name) { found = substr($0, length(name) + 1); sub(/^[ \t]*/, "", found) }
    END { print found }'
}
is_there() { LC_ALL=C tr -d '\r' <"$dir/$1.head" | LC_ALL=C grep -iq "^$2:"; }
shown() {
  echo "violation shown: $clause: $1 (round $round, request $2)"
  exit 1
}
unknown() { doubt=${doubt:-$1} last_is_told=0; }

expect() { # number of the request, kind, pattern for the status, JSON pointer or header, value
  local i=$1 kind=$2 when=$3 path=$4 value=${5-} status place line type text
  status_of "$i"
  status=$REPLY
  if [ "$status" = 0 ]; then
    no_response "$i"
    [ "$kind" != answered ] || shown "$REPLY" "$i"
    unknown "$REPLY"
    return
  fi
  if ! matches "$when" "$status"; then
    unknown "the response is $status: $(head -c 200 "$dir/$i.body" 2>/dev/null | tr -d '\0')"
    return
  fi
  case $kind in
    answered) return ;;
    status | not-status)
      if [ "$status" = 429 ] && ! matches "$value" 429; then unknown 'the service throttles'; return; fi
      if [ "$kind" = status ]; then
        matches "$value" "$status" || shown "the response is $status" "$i"
      else
        ! matches "$value" "$status" || shown "the response is $status" "$i"
      fi
      return ;;
    media)
      text=$(header_of "$i" Content-Type | tr 'A-Z' 'a-z')
      matches "($value) *(;.*)?" "$text" || shown "the Content-Type is ${text:-missing}" "$i"
      return ;;
    header | echo)
      text=$(header_of "$i" "$path")
      is_there "$i" "$path" || return 0
      if [ "$kind" = header ]; then
        matches "$value" "$text" || shown "the header $path is '$text'" "$i"
      else
        [ "$(upper "$text")" = "$(upper "$value")" ] || shown "the header $path is '$text'" "$i"
      fi
      return ;;
  esac
  if [ "$read_of" != "$i" ]; then
    : >>"$dir/$i.body"
    read_of=$i
    json=$(od -An -v -tx1 "$dir/$i.body" | tr -d ' \n' | read_json 2>/dev/null) || json=broken
    json=$'\n'$json$'\n'
  fi
  if [ "$json" = $'\nbroken\n' ]; then
    [ "$kind" != json ] || shown 'the body is not JSON in UTF-8' "$i"
    return
  fi
  hex "$path"
  place=$REPLY
  line=''
  if [[ $json == *$'\n'"=$place "* ]]; then
    line=${json##*$'\n'"=$place "}
    line="=$place ${line%%$'\n'*}"
  fi
  case $kind in
    json) return ;;
    absent)
      [ -z "$line" ] || shown "$path is there" "$i"
      return ;;
  esac
  if [ -z "$line" ]; then
    hex "${path%/*}"
    [ "$kind" != present ] || [[ $json != *$'\n'"=$REPLY object "* ]] || shown "$path is missing" "$i"
    # A contact that is shown with nothing but its id (2f6964) hides nothing.
    if [ "$kind" = member ] && [[ ${json//=2f636f6e746163742f6964 /} == *'=2f636f6e746163742f'* ]]; then
      shown "$path is missing" "$i"
    fi
    return
  fi
  type=${line#* }
  text=${type#* }
  type=${type%% *}
  case $kind in
    type) matches "$value" "$type" || { [ "$type" = integer ] && matches "$value" number; } || shown "$path is of type $type" "$i" ;;
    match) matches "$value" "$(spoken "$text")" || shown "$path is '$(spoken "$text")'" "$i" ;;
    most | least)
      text=$(printf %s "$text" | sed 's/../& /g' | tr ' ' '\n' | grep -c '^[0-7c-f]')
      if [ "$kind" = most ]; then [ "$text" -le "$value" ]; else [ "$text" -ge "$value" ]; fi || shown "$path has $text characters" "$i" ;;
    member) [ -z "$value" ] || { hex "$value"; [ "$text" = "$REPLY" ]; } || shown "$path is '$(spoken "$text")', and must be '$value'" "$i" ;;
    same-id) [ "$(upper "$(spoken "$text")")" = "$(upper "$value")" ] || shown "$path is '$(spoken "$text")', and must be '$value'" "$i" ;;
  esac
}
expect_at_once() { # pattern for the statuses in ascending order, without 429; first and last number of the requests
  local i found=''
  found=$(for ((i = $2; i <= $3; i++)); do status_of "$i"; echo "$REPLY"; done | grep -v '^429$' | sort | tr '\n' ' ')
  found=${found% }
  case " $found " in *' 0 '*) unknown 'some of the requests at once had no response'; return ;; esac
  [ -z "$found" ] || matches "$1" "$found" || shown "the responses are $found" "$3"
  case $found in *' '*) ;; *) unknown 'all but one of the requests at once were throttled' ;; esac
}
begin() {
  round=$((round + 1)) n=0 queued=0 args=() statuses=() read_of='' json='' last_is_told=0 started=$SECONDS
  rm -f "$dir"/*
  : >"$dir/codes"
  : >"$dir/errors"
}
slowly() { # before the last request, in the last round: as slowly as the run that saw it
  [ "$round" -lt "$rounds" ] || [ "$1" -le $((SECONDS - started)) ] || { flush; sleep $(($1 - SECONDS + started)); }
}
end() { # whether the service throttled the round; then it does not count
  local i wait=''
  for ((i = 1; i <= n; i++)); do
    status_of "$i"
    [ "$REPLY" != 429 ] || { wait=$(header_of "$i" Retry-After); wait=${wait:-1}; }
  done
  case $wait in *[!0-9]*) wait=1 ;; esac
  if [ -n "$wait" ] && [ "$waits" -lt 10 ]; then
    sleep "$((wait > 30 ? 30 : wait))"
    waits=$((waits + 1)) round=$((round - 1))
  fi
  told=$((told + last_is_told))
}
conclude() {
  if [ "$told" -gt 0 ]; then
    echo "no violation: $clause was kept in $told of $rounds rounds"
    exit 0
  fi
  echo "could not tell: ${doubt:-the service throttled every round}"
  exit 2
}
# ----------------------------------------------------------------------------------------------------- until here
