import { type ErrorHelps, RACE_TODO } from './entry.ts'

const WAITS = 'Work that needs files waits and is tried anew; rows wait for their files.'
const KEYS = 'It counts against the key: backoff, then parked.'
const PARKED = 'The key is parked at once.'

export const STORAGE_ERRORS: ErrorHelps = {
  STORAGE_MOUNT: {
    what: `Prod's tree is not there, or does not answer. Nothing is removed for that. ${WAITS}`,
    why: 'The mount is gone (NFS), or prod.topdir names an empty directory.',
    todo: 'Mount it; `doctor` looks at it.',
  },
  STORAGE_DISK: {
    what: `Staging's tree cannot be written. ${WAITS}`,
    why: 'The disk is full, read-only, over quota, or sick.',
    todo: 'See the text; free space. Links need little, but the journal needs some.',
  },
  STORAGE_NOT_READY: {
    what: 'A file tree is not as it must be; nothing was started.',
    why: 'Not mounted, not writable, or without the volume; each check is named with what to do.',
    todo: '`doctor` shows all of them.',
  },
  STORAGE_UNSAFE: {
    what: "With the trees as they are staging could write into prod's. Nothing was started (exit status 14).",
    why: "prod's tree is mounted read-write, the trees lie inside one another, or staging's volume is a link to prod's.",
    todo: "Mount prod's tree read-only here and on staging's hub; each check is named with what to do.",
  },
  STORAGE_INSIDE_PROD: {
    what: "A path of staging's tree leads into prod's. Nothing was written there, and all writing stops.",
    why: 'Somebody replaced a directory of staging by a link, or mounted prod over it.',
    todo: 'Remove the link or mount that is named, then start again.',
  },
  STORAGE_SOURCE_MISSING: {
    what: `Prod's tree is there, the build's directory is not. No row is written. ${KEYS}`,
    why: 'The mount lags behind prod (NFS caches, snapshots), or prod has lost the files.',
    todo: 'If it stays for hours: see whether prod has them. `parked retry` tries at once.',
  },
  STORAGE_SOURCE_OUTSIDE: {
    what: `The build's directory in prod's tree leads out of that tree. ${KEYS}`,
    why: 'A link to another file system that is not part of prod.topdir.',
    todo: 'Mount that too, below prod.topdir, or have prod move the build.',
  },
  STORAGE_BUILD_SICK: {
    what: `The directory of one build cannot be read or made, others can. ${KEYS}`,
    why: 'Its rights or its file handle (stale NFS).',
    todo: 'See the path that is named, as the service user.',
  },
  STORAGE_CLASH: {
    what: `Something that is not ours stands where the build's link belongs. It is left alone. ${PARKED}`,
    why: 'Somebody in staging made files there, or a restored tree is not empty.',
    todo: 'Look at the path that is named; move it away if nobody needs it, then `parked retry KEY`.',
  },
  STORAGE_OWN_TREE: {
    what: `The build has new rows, but stands in staging's own tree, where its placement brings no files. ${PARKED}`,
    why: "Staging was restored with prod's files as its own, and prod has changed the build since.",
    todo: 'Move the build to the volume by hand, or bring its files; then `parked retry KEY`.',
  },
  STORAGE_NAME_UNSAFE: {
    what: `A name from prod cannot be a file name, so no path was made from it. ${PARKED}`,
    why: "A slash, '..', a control character, or more than 255 bytes. Koji allows what a file system does not.",
    todo: 'See whether prod really has such a thing, and who made it.',
  },
  STORAGE_OWNER: {
    what: `A link could not be given the owner that its target has, or a directory that its group may not write the owner of the one above. ${KEYS}`,
    why: "The service may not change owners (CAP_CHOWN). The web server follows only links whose owner matches, and staging's hub could not work in such a directory.",
    todo: "Give the unit CAP_CHOWN; or run as the user that owns prod's files, in the group that owns staging's.",
  },
  STORAGE_VOLUME_DEFAULT: {
    what: "A placement was asked to link into staging's own packages directory. Nothing was done.",
    why: 'prod.volumes maps a volume of prod to DEFAULT.',
    todo: 'Give it a volume of its own, like the default `prod`.',
  },
  STORAGE_RACE: {
    what: "Staging's tree changed while it was worked on.",
    why: "Staging's hub, or another daemon, works on the same build.",
    todo: RACE_TODO,
  },
  PLACE_GONE: {
    what: "A build's files were taken away while its rows were written; nothing was committed.",
    why: "Staging's hub or a person removed them.",
    todo: RACE_TODO,
  },
  STORAGE_NO_SPACE: {
    what: `Staging's disk has not enough room for a build's files and what is to stay free. ${WAITS}`,
    why: 'The disk or the quota is full, or the build is large.',
    todo: 'Free space or enlarge the volume; `koji-staging-sync prune` lists copies that nobody needs. Builds that need room wait for it, by themselves; everything else goes on.',
  },
  SNAPSHOT_NO_COMMAND: {
    what: 'There is no program that takes the snapshot anew; nothing was done.',
    why: 'in_place.refresh_command is not set.',
    todo: 'Set it (README, placement `in-place`, has examples), or take the snapshot by hand while no daemon runs.',
  },
  SNAPSHOT_BUSY: {
    what: "The snapshot was not taken anew: a daemon works with staging's tree.",
    why: 'What it writes meanwhile would be lost with the old snapshot.',
    todo: 'Stop the daemons, ask again, start them. One that was killed counts as gone after a minute.',
  },
  SNAPSHOT_FAILED: {
    what: 'The program that takes the snapshot anew failed, or took longer than allowed.',
    why: 'What it printed says why; a stamp (in_place.stamp) that it did not touch counts as a failure, too.',
    todo: "See staging's tree before you start the daemon: it must be the old snapshot or a new one, not half of one.",
  },
  STORAGE_READ_ONLY: {
    what: `Staging's disk is read-only. ${WAITS}`,
    why: 'The file system was remounted after an error, or the unit does not allow it (ReadWritePaths).',
    todo: "See the system's log and the mount.",
  },
  STORAGE_NO_FILE: {
    what: `Something in prod's tree that should be a file is none. ${KEYS}`,
    why: 'Somebody put a directory, socket or device there.',
    todo: 'See the path that is named, in prod.',
  },
  STORAGE_NOT_RPM: {
    what: `A file that prod calls an rpm is none; it was not put in place. ${KEYS}`,
    why: 'It is torn in prod, or a proxy gave another page in its place.',
    todo: 'See the file that is named, in prod.',
  },
  STORAGE_WRONG_SIZE: {
    what: `A file has another size than prod's hub says; it was not put in place. ${KEYS}`,
    why: 'It is still being written in prod, or torn.',
    todo: 'If it stays: see the file that is named, in prod.',
  },
  STORAGE_WRONG_DIGEST: {
    what: `A file has another digest than prod's hub says; it was not put in place. ${KEYS}`,
    why: 'It is damaged in prod, on the way, or was replaced.',
    todo: 'Compare it in prod with what its hub says (`koji buildinfo`, `rpm -K`).',
  },
  STORAGE_CHANGED: {
    what: 'A file changed while it was read.',
    why: 'Prod is writing it just now.',
    todo: RACE_TODO,
  },
  STORAGE_BUILD_LARGE: {
    what: `A build's directory holds more than any build does. ${KEYS}`,
    why: 'Something else was put into it in prod.',
    todo: 'See the path that is named, in prod.',
  },
  STORAGE_SERVER: {
    what: `Prod's package server does not answer. ${WAITS}`,
    why: 'It is down, or cannot be reached from here.',
    todo: 'Try the address that is named with `curl`.',
  },
  STORAGE_HTTP_STATUS: {
    what: `Prod's package server refuses a file. ${KEYS}`,
    why: 'It does not have it (404), or limits access (403).',
    todo: 'Try the address that is named with `curl`.',
  },
  STORAGE_FILE_SICK: {
    what: `Prod's package server does not give one file whole. ${KEYS}`,
    why: 'A fault of the server or a proxy with just that file.',
    todo: 'Try the address that is named with `curl`.',
  },
}
