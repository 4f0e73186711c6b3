// A sentence encoder that is warm in office hours, declared in TypeScript.
//
// Its configuration: `artifact` (the folder that `scaletozero package` wrote), `image` (the serving image in your
// registry), `region`.
import * as pulumi from "@pulumi/pulumi";
import * as scaletozero from "@pulumi/scaletozero";

const config = new pulumi.Config();
const region = config.get("region") ?? "eu-central-1";

const store = new scaletozero.ArtifactStore("artifacts", { region });
const sentences = new scaletozero.ServerlessEndpoint("sentences", {
    artifact: config.require("artifact"),
    bucket: store.bucket,
    image: config.require("image"),
    region,
    scaling: { min: 1, max: 20 },
    schedule: [{ days: ["mon-fri"], start: "08:00", end: "18:00", timezone: "Europe/Berlin", min: 4 }],
});

export const endpoint = sentences.endpointName;
export const memoryMb = sentences.memoryMb;
