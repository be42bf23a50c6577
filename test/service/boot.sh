#!/usr/bin/env bash
# A system of its own on this machine: systemd as process 1 of new namespaces. What it says of itself goes to standard output; it ends
# when this process does. Nothing of the machine can be changed from it: all that is mounted here is read-only there, /usr, /etc and
# /var are written to memory, /tmp, /run and /dev/shm are its own, and it starts no unit but what it is told to.
# Usage: boot.sh CGROUP PROD_TREE STAGING_TREE PACKAGE
set -euo pipefail
cgroup=$1 prod=$2 staging=$3 package=$4
for hierarchy in systemd unified; do
  [ -d /sys/fs/cgroup/$hierarchy ] || continue
  mkdir -p "/sys/fs/cgroup/$hierarchy/$cgroup"
  echo $$ >"/sys/fs/cgroup/$hierarchy/$cgroup/cgroup.procs"
done
export prod staging package
# Without the rights to touch network, modules, clocks and the machine itself.
exec setpriv --bounding-set=-net_admin,-sys_module,-sys_time,-sys_boot,-sys_rawio,-syslog \
  unshare --pid --fork --kill-child --mount --uts --ipc --cgroup --mount-proc --propagation private bash -euc '
  # The trees, before their way is hidden.
  layers=$(mktemp -d)
  mount -t tmpfs -o mode=755 tmpfs "$layers"
  mkdir "$layers/mnt" "$layers/mnt/prod-koji" "$layers/mnt/koji"
  mount --bind "$prod" "$layers/mnt/prod-koji"
  mount --bind "$staging" "$layers/mnt/koji"
  cp "$package" "$layers/mnt/package.tgz"
  for tree in usr etc var; do
    mkdir "$layers/$tree" "$layers/$tree.work"
    mount -t overlay overlay -o "lowerdir=/$tree,upperdir=$layers/$tree,workdir=$layers/$tree.work" "/$tree"
  done
  mount --rbind "$layers/mnt" /mnt
  mount -o remount,bind,ro /mnt/prod-koji

  # No unit, no generator but those that are asked for: at the start of a machine systemd cleans /tmp, names network devices, sets
  # kernel parameters; here it must not.
  rm -rf /etc/systemd/system/* /usr/lib/systemd/system/*.wants /usr/lib/systemd/system-generators /etc/systemd/system-generators
  for unit in systemd-tmpfiles-setup systemd-tmpfiles-clean systemd-tmpfiles-setup-dev systemd-udevd systemd-udev-trigger \
    systemd-sysctl systemd-modules-load systemd-remount-fs systemd-random-seed systemd-binfmt systemd-hwdb-update; do
    ln -s /dev/null "/etc/systemd/system/$unit.service"
  done
  printf "[Unit]\nDescription=the least\nDefaultDependencies=no\nAllowIsolate=yes\n" >/etc/systemd/system/least.target
  # Journal in memory; the kernel log is the machine'\''s.
  mkdir -p /etc/systemd/journald.conf.d
  printf "[Journal]\nStorage=volatile\nReadKMsg=no\nForwardToSyslog=no\n" >/etc/systemd/journald.conf.d/here.conf

  mount -t tmpfs -o mode=1777 tmpfs /tmp
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/lock
  if [ -d /sys/fs/cgroup/systemd ]; then
    umount -R /sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
  fi
  mount --bind /proc/sys /proc/sys
  mount -o remount,bind,ro /proc/sys
  mount -o remount,bind,ro /sys
  # Everything else that stands here, whatever it is.
  while read -r _ _ _ _ point _; do
    case $point in
    /usr | /etc | /var | /tmp | /run | /dev/shm | /dev | /dev/pts | /mnt | /mnt/koji | /proc | /sys/fs/cgroup*) ;;
    *) mount -o remount,bind,ro "$point" 2>/dev/null || true ;;
    esac
  done <<<"$(cat /proc/self/mountinfo)"
  ! touch /home/x /root/x /x 2>/dev/null || exit 1
  # As on a machine: credentials are mounted for a service, and must be seen by it.
  mount --make-rshared /
  export container=other
  exec /lib/systemd/systemd --system --unit=least.target --log-target=console --show-status=no
'
