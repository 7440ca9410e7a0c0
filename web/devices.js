/** Names that browsers give to the system's own choice, beside the device that it is. */
const ALIASES = new Set(["", "default", "communications"]);

/**
 * The devices that the browser names: none before the microphone was allowed.
 * @param {"audioinput" | "audiooutput"} kind
 * @returns {Promise<{id: string, name: string}[]>}
 */
export async function listDevices(kind) {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter((device) => device.kind === kind && device.label !== "" && !ALIASES.has(device.deviceId))
    .map((device) => ({ id: device.deviceId, name: device.label }));
}

/** @param {"audioinput" | "audiooutput"} kind @returns {Promise<Set<string>>} */
export async function deviceIds(kind) {
  return new Set((await listDevices(kind)).map(({ id }) => id));
}
