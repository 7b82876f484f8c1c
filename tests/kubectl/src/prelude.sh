# What scripts may call beside kubectl; sourced before each of their commands.

# The ends of generated names.
ids() { sed -E 's/-[bcdfghjklmnpqrstvwxz2456789]{5}\b/-<id>/g'; }

# eventually COMMAND...: repeats it until it succeeds; prints what it printed last.
eventually() {
  local tries
  for tries in {1..400}; do
    "$@" > eventually.out 2> eventually.err && break
    sleep 0.05
  done
  cat eventually.out
  cat eventually.err >&2
}

# background NAME COMMAND...: leaves it running; what it prints goes to the files NAME and NAME.err.
background() {
  local name=$1
  shift
  "$@" > "$name" 2> "$name.err" &
  echo $! > "$name.pid"
}

# watching NAME KUBECTL-ARGUMENT...: as background, with kubectl, and waits until it watches.
watching() {
  local name=$1
  shift
  background "$name" kubectl -v=6 "$@"
  eventually grep -q 'watch=true' "$name.err"
}

# lines NAME COUNT: waits until the file NAME has so many, ends its command and prints them.
lines() {
  local tries
  for tries in {1..400}; do
    [ "$(wc -l < "$1")" -ge "$2" ] && break
    sleep 0.05
  done
  kill "$(cat "$1.pid")" 2> /dev/null
  rm "$1.pid"
  cat "$1"
}

# filled OBJECTS JSONPATH: waits until that is not empty: controllers fill it in.
filled() {
  local tries
  for tries in {1..400}; do
    [ -n "$(kubectl get $1 -o "jsonpath=$2" 2> /dev/null)" ] && break
    sleep 0.05
  done
}
