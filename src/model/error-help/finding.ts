import { type ErrorHelps, STOP_TODO } from './entry.ts'

export const FINDING_ERRORS: ErrorHelps = {
  CATCHUP_NO_CURSOR: {
    what: "Nobody has said from where prod's history is to be read.",
    why: '`init` was not finished.',
    todo: 'Run `init`.',
  },
  CATCHUP_NOT_RESTORED: {
    what: '--prod-restored was given, but prod still has the last event that was read: nothing was forgotten.',
    why: 'Prod was not restored, or has grown beyond that event again.',
    todo: 'If it was restored: name the last event that both have with --since.',
  },
  CATCHUP_SINCE: {
    what: 'The event or time of --since cannot be used; nothing was read.',
    why: 'Prod has no such event, it lies in the future, or nothing of ours is older.',
    todo: 'Name another; `koji call getLastEvent` shows the newest.',
  },
  CATCH_UP_STOPPED: { what: 'The command was given up.', why: 'A shutdown.', todo: STOP_TODO },
  CATCHUP_STOPPED: { what: 'The catch-up was given up.', why: 'A shutdown.', todo: STOP_TODO },
  RECONCILE_RUNS: {
    what: 'Another reconcile runs; this one did not start.',
    why: "The daemon's daily one, or a colleague's; host and pid are named.",
    todo: 'Wait for it. One that was killed counts as over after a minute.',
  },
  RECONCILE_STOPPED: {
    what: 'The reconcile was given up. What it had found is marked.',
    why: 'A shutdown.',
    todo: 'Run it again; `run` makes up its own.',
  },
  RECONCILE_TAG_UNKNOWN: {
    what: 'Prod has no tag of that name or pattern.',
    why: 'A typing error, or the tag was deleted.',
    todo: 'Mend --tag.',
  },
  RECONCILE_OUT_OF_SCOPE: {
    what: 'The tag is not in scope, so it is not compared.',
    why: 'scope.tags does not cover it, or scope.exclude_tags does.',
    todo: 'Change the scope, or name another tag.',
  },
  SCRUB_RUNS: {
    what: 'Another scrub runs; this one did not start.',
    why: "The daemon's, or a colleague's; host and pid are named.",
    todo: 'Wait, or use `scrub --tag`, which runs beside it. One that was killed counts as over after a minute.',
  },
  SCRUB_NOT_BEGUN: {
    what: 'The position of the scrub is not in the database.',
    why: 'Its row was deleted while a scrub ran.',
    todo: 'Start it again: it begins anew.',
  },
  SCRUB_TAG_UNKNOWN: {
    what: 'Staging has no tag of that name or pattern.',
    why: 'A typing error, or it is not in staging yet.',
    todo: 'Mend --tag, or `sync tag/NAME` first.',
  },
  SCRUB_STOPPED: {
    what: 'The scrub was given up; it goes on where it was.',
    why: 'A shutdown.',
    todo: STOP_TODO,
  },
  EVENT_UNKNOWN: {
    what: 'Prod has no such event yet.',
    why: 'A typing error, or the event of another Koji.',
    todo: 'The last one is named.',
  },
  EVENT_TAG_UNKNOWN: {
    what: 'Prod had no tag of that name at that event.',
    why: 'A typing error, or it was made later.',
    todo: 'Mend --tag.',
  },
  EVENT_UNSETTLED: {
    what: 'Keys of that tag are still being made equal, so there is no answer yet.',
    why: 'A daemon is behind, or a key is tried again and again.',
    todo: '`status` shows the queue; ask again.',
  },
}
