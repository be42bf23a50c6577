import type { ErrorHelps } from './entry.ts'

export const CONFIG_ERRORS: ErrorHelps = {
  CONFIG_INVALID: {
    what: 'The configuration has problems; all of them are listed, and nothing was started.',
    why: 'An unknown setting, a wrong type, settings that contradict one another, or prod and staging being the same hub, database or tree.',
    todo: 'Mend what each line names. `options` explains every setting, `options --example` prints a whole file.',
  },
  CA_FILE_UNREADABLE: {
    what: 'prod.ca_file or staging.ca_file cannot be read; nothing was started.',
    why: 'The path is wrong, or the service user may not read it.',
    todo: 'Put the certificates (PEM) there and make them readable, or remove the setting to use those of the system.',
  },
  GRANTS_ROLE: {
    what: '`init --print-grants` does not know for whom; nothing was written.',
    why: 'staging.database names no user.',
    todo: 'Say it: `--role NAME`.',
  },
  BUS_CA_MISSING: {
    what: 'Signatures are to be checked, but bus.fedmsg.ca is not set; nothing was started.',
    why: 'Without a CA no message could count.',
    todo: 'Set bus.fedmsg.ca, or say bus.fedmsg.validate_signatures = false if the network alone is trusted.',
  },
  BUS_POLICY: {
    what: 'bus.fedmsg.policy_file cannot be read, or is no map of topics to names; nothing was started.',
    why: 'The path is wrong, the user may not read it, or it is not JSON of the form {"topic": ["name"]}.',
    todo: 'Mend the file. Without it everybody whom the CA knows may send everything.',
  },
  BUS_ENDPOINT_INVALID: {
    what: 'An endpoint of bus.fedmsg.endpoints is none that ZeroMQ takes.',
    why: 'A typing error; one looks like tcp://host:9940.',
    todo: 'Mend the endpoint.',
  },
  HUB_URL: {
    what: "The address of prod's hub is not usable.",
    why: 'It is not http or https, or carries a user, password, query or fragment. The hub is read anonymously.',
    todo: 'Set prod.hub to the plain address, like https://koji.example.org/kojihub.',
  },
  NOT_INITIALISED: {
    what: "Staging's database is not prepared for this version.",
    why: '`init` has never run on it, or the program was updated and has new tables.',
    todo: 'Run `init`; it changes only what is missing, also beside a running daemon of the version before.',
  },
  DAEMON_OTHER_POLICY: {
    what: 'Another daemon works on this staging with another scope or policy, so this one did not start.',
    why: 'Two configurations would undo each other. A daemon counts as gone a minute after its last sign of life.',
    todo: 'Stop the other one first (its host and pid are named), or use its configuration.',
  },
  SETTING_PINNED: {
    what: 'Staging was prepared for another prod hub or floor than the configuration names; nothing was started.',
    why: 'prod.hub or staging.database points to the wrong place, or prod has got a new address.',
    todo: "Mend the address. If prod really moved: update the row of staging_sync.setting that is named ('pin:prod hub').",
  },
  PLACEMENT_UNKNOWN: {
    what: 'A build needs a placement that this daemon has not set up.',
    why: 'A [[placement]] rule names it, or another daemon placed the build so, but prod.topdir is not set here.',
    todo: 'Set prod.topdir, or use the same configuration on all hosts.',
  },
  USER_CHANGED: {
    what: 'staging.user is another one than the user that our rows were created by; nothing was done.',
    why: 'The setting was changed after `init`.',
    todo: 'Set it back. Whose rows are ours is told by that user.',
  },
  USER_NOT_OURS: {
    what: 'staging.user is a person or another service in staging; `init` did not take it.',
    why: 'The name was used before. Ours must be blocked and without password, so that its rows are only ours.',
    todo: 'Choose another staging.user and run `init`.',
  },
  ID_FLOOR_INVALID: {
    what: 'staging.id_floor is no positive whole number.',
    why: 'A typing error.',
    todo: 'Remove the setting (the default is 1000000000) or mend it.',
  },
  ID_FLOOR_LOWERED: {
    what: 'staging.id_floor is lower than it was when `init` first ran.',
    why: 'Ids between the two may be in use by staging already.',
    todo: 'Set it back to the value that is named, or higher.',
  },
  ID_FLOOR_TOO_HIGH: {
    what: 'Above staging.id_floor there is no room left in the named sequences.',
    why: 'Ids of those tables are 32 bit integers.',
    todo: 'Choose a lower floor, still well above the highest id of prod.',
  },
  ID_FLOOR_TOO_LOW: {
    what: 'Prod has ids at or above staging.id_floor: its rows and those of staging would get the same ids. Nothing was written.',
    why: 'The floor was chosen too low, or prod has grown up to it.',
    todo: 'Raise staging.id_floor far above the ids that are named and run `init`.',
  },
}
