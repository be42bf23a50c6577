import { BUG_TODO, type ErrorHelps, RACE_TODO } from './entry.ts'

export const KEY_ERRORS: ErrorHelps = {
  KEY_INVALID: {
    what: 'What was typed (or stored) is no key.',
    why: 'A typing error; a key looks like build/101, tag/f43, tagged/f43/bash, package/f43/bash, target/f43, external-repo/epel9.',
    todo: 'Mend it.',
  },
  LOOKUP_UNKNOWN: {
    what: "Prod's hub does not know a name that a message told. The key is tried again, then parked.",
    why: 'The thing was renamed or removed meanwhile, or the message was forged.',
    todo: 'Nothing; reconcile finds what a rename left.',
  },
  LOCAL_BUILDING: {
    what: 'Staging is building the same name, version and release itself. The key is tried again, then parked.',
    why: 'A build of that name runs in staging.',
    todo: 'Wait for it, or cancel it. When it has ended well, it is a clash: see `clashes`.',
  },
  DRAFT_ID_TAKEN: {
    what: 'A draft of prod needs an id that staging has given to another build. The key is parked.',
    why: "A draft's release holds its id, so it can have no other.",
    todo: 'It comes when it is promoted. Else remove the local build, then `parked retry KEY`.',
  },
  OWNED_TWICE: {
    what: "A row of staging is recorded as that of two of prod's. The key is parked, nothing was written.",
    why: 'Ids in staging were changed by hand, or a dump was restored over our tables.',
    todo: 'Look at staging_sync.owned for the ids that are named.',
  },
  CELL_INVALID: {
    what: 'A value from prod does not fit the type of its column. The key is parked.',
    why: 'A Koji that was changed, or a newer one.',
    todo: 'The column is named; report it with the versions of both.',
  },
  JSON_INVALID: {
    what: 'A text that should be JSON is none.',
    why: 'A message from the bus, or an `extra` of prod, is broken.',
    todo: 'Nothing for a message: it is counted as refused. For a key: see what prod has.',
  },
  JSON_UNWRITABLE: {
    what: 'A number cannot be written exactly as Koji would.',
    why: 'A mistake in the program.',
    todo: BUG_TODO,
  },
  NAME_INCOMPLETE: {
    what: 'A name cannot be made in staging because a part that its row needs is missing. It counts against the key.',
    why: "The hub's answer lacks it (an older Koji).",
    todo: 'Make the named thing in staging by hand, or report it.',
  },
  QUEUE_KEY_INVALID: {
    what: 'A key is too long, or holds text that cannot be stored; it was not marked.',
    why: 'A forged message, or an absurd name.',
    todo: 'Nothing, unless prod has such a name.',
  },
  QUEUE_NUMBER_UNSAFE: {
    what: 'A number in the queue is beyond what can be counted exactly.',
    why: 'The table was changed by hand.',
    todo: 'Mend or delete that row of staging_sync.queue; reconcile finds what it was about.',
  },
  QUEUE_ROW_INVALID: {
    what: 'A row of the queue is not as the program writes them.',
    why: 'The table was changed by hand, or by a newer version.',
    todo: 'Delete that row of staging_sync.queue; reconcile finds what it was about.',
  },
  QUEUE_CLAIM_LOST: {
    what: 'Somebody else works on the key by now, so this attempt was rolled back.',
    why: 'The holder was stalled for longer than its lease (60 s), or a person marked it through another command.',
    todo: 'Nothing. If it is frequent, the host is overloaded or its clock jumps.',
  },
  BUILD_OTHER_ROW: {
    what: "Staging's row of a build changed while it was looked at.",
    why: "Staging's hub works on it.",
    todo: RACE_TODO,
  },
  NAME_CHANGED: {
    what: 'A name in staging changed while it was used.',
    why: 'An administrator renamed it.',
    todo: RACE_TODO,
  },
  NAME_GONE: {
    what: 'A name in staging went as soon as it was made.',
    why: 'An administrator removed it.',
    todo: RACE_TODO,
  },
  NAME_TAKEN: {
    what: 'A name that a rename needs has another holder by now.',
    why: 'Renames in prod or in staging go on at the same time.',
    todo: RACE_TODO,
  },
  NAME_TWICE: {
    what: 'Prod showed two ids for one name.',
    why: 'It was renamed, and made anew, between two calls.',
    todo: RACE_TODO,
  },
  ROW_CHANGED: {
    what: 'Rows of staging changed since they were read; nothing was written.',
    why: "Staging's hub works on them.",
    todo: RACE_TODO,
  },
  ROW_GONE: {
    what: 'A row of staging went since it was read; nothing was written.',
    why: "Staging's hub, or a person, removed it.",
    todo: RACE_TODO,
  },
  ROWS_NO_KEY: {
    what: 'Rows were to be written without a key to find them by.',
    why: 'A mistake in the program.',
    todo: BUG_TODO,
  },
  REMOVALS_INVALID: {
    what: 'The number of removals to allow is none.',
    why: '--allow-removals takes a whole number from 1 on, and nothing together with --dry-run.',
    todo: 'Mend the command line.',
  },
  CLASH_UNKNOWN: {
    what: 'The key has no clash that stands, and nothing was decided for it before; nothing was changed.',
    why: 'It has ended meanwhile, or the key is another one.',
    todo: '`clashes` lists those that stand, with their keys.',
  },
  PARKED_UNKNOWN: {
    what: 'A key that was named is not parked; none was marked.',
    why: 'It was tried again meanwhile and has left the queue, or the key is another one.',
    todo: '`parked` lists them. `sync KEY` makes any key equal now.',
  },
}
