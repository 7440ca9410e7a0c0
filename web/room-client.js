import { Trouble } from "./start.js";

/** What plays a room is not part of the page, and npm has not brought it. */
export class NotInstalled extends Trouble {
  constructor() {
    super("What plays the avatar's room is not installed. The bot's log says which command installs it.", { lasting: true });
  }
}

/**
 * Why a client could not be loaded: browsers do not tell what the server has answered.
 * @param {string} path
 * @returns {Promise<Trouble>}
 */
export async function whyNotLoaded(path) {
  const status = await fetch(path, { method: "HEAD" }).then(
    (answer) => answer.status,
    () => 0,
  );
  return status === 404 ? new NotInstalled() : new Trouble("The page could not load what plays the avatar's room.");
}
