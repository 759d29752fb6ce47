// What a user of w3bstream-client-js does: `node publishes.mjs URL TOKEN`; prints the answers.
import { W3bstreamClient } from "w3bstream-client-js";
import { lastValueFrom, toArray } from "rxjs";

const [url, token] = process.argv.slice(2);
const client = new W3bstreamClient(url, token);
const single = await client.publishSingle({ device_id: "device_001" }, { temperature: 25 });
const binary = await client.publishSingle(
  { device_id: "device_001", event_type: "ALARM", timestamp: Date.now() },
  Buffer.from("not a number", "utf8"),
);
const events = Array.from({ length: 250 }, (_, n) => ({
  header: { device_id: `device_${n % 7}` },
  payload: { n },
}));
const several = await lastValueFrom(client.publishEvents(events).pipe(toArray()));
const answers = [single, binary, ...several].map(({ status, data }) => ({ status, data }));
console.log(JSON.stringify(answers));
