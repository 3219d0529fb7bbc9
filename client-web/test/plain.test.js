// The plain script is bundled and minified, so it goes through the same tests as the modules it is made of.

process.env.SWITCHBOARD_CLIENT = "plain";

await import("./client.test.js");
await import("./doors.test.js");
await import("./random.test.js");
await import("./uses.test.js");
await import("./wake.test.js");
