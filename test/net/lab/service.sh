#!/bin/sh
# Stand-in service: service NAME {start|stop|status}. A state file stands for the running service, and every call is logged
# to /var/log/service.log as "<ns since the epoch> NAME <what> [details]"; "up" is stamped before the state file appears and
# "down" after it has gone, so that an overlap of two hosts is never hidden by the order of two commands.
# Files that change its behaviour: /run/service.NAME.failstart .failstop (exit 1), .slowstart .slowstop (seconds to wait first).
name=$1
action=$2
state=/run/service.$name

note() {
  # Without what the tests preload into a program to change its clock.
  echo "$(LD_PRELOAD= date +%s%N) $name $*" >>/var/log/service.log
}

finish() {
  note exit "$action" "$1"
  exit "$1"
}

misbehave() {
  [ -f "$state.slow$action" ] && sleep "$(cat "$state.slow$action")"
  if [ -f "$state.fail$action" ]; then
    echo "service $name: cannot $action"
    finish 1
  fi
}

note call "$action"
case $action in
start)
  misbehave
  [ -f "$state" ] || note up
  : >"$state"
  ;;
stop)
  misbehave
  if [ -f "$state" ]; then
    rm -f "$state"
    note down
  fi
  ;;
status)
  if [ -f "$state" ]; then
    echo running
    finish 0
  fi
  echo stopped
  finish 3
  ;;
*)
  echo "usage: $0 NAME {start|stop|status}"
  finish 2
  ;;
esac
finish 0
