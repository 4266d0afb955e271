{{- define "neighborconnect.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Labels that select the pods of a component; `track` tells apart the variants of the API. */ -}}
{{- define "neighborconnect.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
neighborconnect.io/component: {{ .component }}
{{- with .track }}
neighborconnect.io/track: {{ . }}
{{- end }}
{{- end -}}

{{- define "neighborconnect.labels" -}}
{{ include "neighborconnect.selector" . }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: {{ .root.Chart.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "neighborconnect.image" -}}
{{- $image := .root.Values.image -}}
{{- if .tag -}}
{{ printf "%s:%s" $image.repository .tag }}
{{- else if $image.digest -}}
{{ printf "%s@%s" $image.repository $image.digest }}
{{- else -}}
{{ printf "%s:%s" $image.repository ($image.tag | default .root.Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{- define "neighborconnect.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "neighborconnect.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* Writable folders: the image itself is read-only. */ -}}
{{- define "neighborconnect.volumes" -}}
- name: home
  emptyDir:
    sizeLimit: {{ .root.Values.scratch.home }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .root.Values.scratch.tmp }}
{{- end -}}

{{- define "neighborconnect.volumeMounts" -}}
- name: home
  mountPath: /var/lib/neighborconnect
- name: tmp
  mountPath: /tmp
{{- end -}}

{{- define "neighborconnect.secretVariable" -}}
{{- $reference := get .root.Values.secrets.references .key | default dict -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ $reference.name | default .root.Values.secrets.name }}
      key: {{ $reference.key | default .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{- /* Environment of a process: the addresses of all, the settings of the values, and its own secrets by reference. */ -}}
{{- define "neighborconnect.environment" -}}
{{- $values := .root.Values -}}
{{- $fullname := include "neighborconnect.fullname" .root -}}
{{- $kafka := $values.stores.kafka -}}
{{- $s3 := $values.stores.s3 -}}
{{- $settings := dict
  "NEIGHBORCONNECT_PROFILE" "external"
  "NEIGHBORCONNECT_HOME" "/var/lib/neighborconnect"
  "NEIGHBORCONNECT_LOG_LEVEL" $values.logLevel
  "NEIGHBORCONNECT_LOG_FORMAT" "json"
  "OTEL_EXPORTER_OTLP_ENDPOINT" $values.tracing.endpoint
  "OTEL_TRACES_SAMPLER_ARG" (toString $values.tracing.share)
  "KAFKA_BOOTSTRAP_SERVERS" (join "," $kafka.bootstrapServers)
  "KAFKA_SECURITY_PROTOCOL" $kafka.securityProtocol
  "KAFKA_SASL_MECHANISM" $kafka.saslMechanism
  "DOCUMENT_STORE" $values.stores.documents
  "S3_ENDPOINT_URL" $s3.endpointUrl
  "S3_REGION" $s3.region
  "S3_MEDIA_BUCKET" $s3.buckets.media
  "S3_LAKE_BUCKET" $s3.buckets.lake
  "S3_MLFLOW_BUCKET" $s3.buckets.mlflow
  "S3_AUDIT_BUCKET" $s3.buckets.audit
  "API_URL" (printf "http://%s-api:8000" $fullname)
  "API_LISTEN" "0.0.0.0:8000"
  "MLFLOW_TRACKING_URI" (printf "http://%s-mlflow:5000" $fullname)
  "MLFLOW_LISTEN" "0.0.0.0:5000"
  "DAGSTER_URL" (printf "http://%s-dagster-webserver:3000" $fullname)
  "DAGSTER_LISTEN" "0.0.0.0:3000"
  "RECOMMENDATION_URL" (printf "http://%s-bento:5001" $fullname)
  "RECOMMENDATION_LISTEN" "0.0.0.0:5001"
  "CONTENT_URL" (printf "http://%s-bento-content:5002" $fullname)
  "CONTENT_LISTEN" "0.0.0.0:5002"
  "MATCHING_URL" (printf "http://%s-bento-matching:5003" $fullname)
  "MATCHING_LISTEN" "0.0.0.0:5003"
  "IMAGE_URL" (printf "http://%s-bento-image:5004" $fullname)
  "IMAGE_LISTEN" "0.0.0.0:5004"
  "VIDEO_URL" (printf "http://%s-bento-video:5005" $fullname)
  "VIDEO_LISTEN" "0.0.0.0:5005"
  "MONITORING_URL" (printf "http://%s-monitoring:5006" $fullname)
  "MONITORING_LISTEN" "0.0.0.0:5006"
  "PUBLIC_URL" $values.publicUrl
  "CORS_ALLOW_ORIGINS" (toJson $values.corsAllowOrigins)
  "TRUSTED_PROXIES" (toJson $values.gateway.trustedProxies)
-}}
{{- if $values.publicApiUrl -}}
{{- $_ := set $settings "PUBLIC_API_URL" $values.publicApiUrl -}}
{{- end -}}
{{- range $name, $value := $values.settings -}}
{{- $_ := set $settings $name (ternary $value (toJson $value) (kindIs "string" $value)) -}}
{{- end -}}
{{- $usesSasl := hasPrefix "SASL_" $kafka.securityProtocol -}}
{{- if and .spec.principal $usesSasl -}}
{{- $_ := set $settings "KAFKA_USERNAME" .spec.principal -}}
{{- end -}}
{{- range $name, $value := $settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name := .spec.secrets }}
{{- if or (ne $name "MONGO_URL") (eq $values.stores.documents "mongodb") }}
{{ include "neighborconnect.secretVariable" (dict "root" $.root "name" $name "key" $name) }}
{{- end }}
{{- end }}
{{- range $name := .spec.optionalSecrets }}
{{ include "neighborconnect.secretVariable" (dict "root" $.root "name" $name "key" $name "optional" true) }}
{{- end }}
{{- if and .spec.principal $usesSasl }}
{{- $key := printf "KAFKA_PASSWORD_%s" (.spec.principal | upper | replace "-" "_") }}
{{ include "neighborconnect.secretVariable" (dict "root" .root "name" "KAFKA_PASSWORD" "key" $key) }}
{{- end }}
{{- end -}}

{{- /* The check of a probe; `kind` is live or ready. */ -}}
{{- define "neighborconnect.check" -}}
{{- $spec := .spec -}}
{{- if $spec.grpc -}}
grpc:
  port: {{ $spec.port }}
  service: {{ $spec.grpc }}
{{- else if $spec.port -}}
httpGet:
  path: {{ get $spec .kind }}
  port: http
  {{- with $spec.host }}
  httpHeaders:
    - name: Host
      value: {{ . }}
  {{- end }}
{{- else if $spec.worker -}}
exec:
  command: [python, /app/deploy/healthy.py{{ if eq .kind "live" }}, --alive{{ end }}{{ range $spec.worker }}, {{ . }}{{ end }}]
{{- else -}}
exec:
  command: {{ toJson $spec.check }}
{{- end -}}
{{- end -}}

{{- define "neighborconnect.probes" -}}
{{- $isSlow := not (and (empty .spec.worker) (empty .spec.check)) -}}
startupProbe:
  {{- include "neighborconnect.check" (dict "spec" .spec "kind" "live") | nindent 2 }}
  periodSeconds: {{ $isSlow | ternary 20 5 }}
  timeoutSeconds: {{ $isSlow | ternary 20 5 }}
  failureThreshold: {{ $isSlow | ternary 15 60 }}
livenessProbe:
  {{- include "neighborconnect.check" (dict "spec" .spec "kind" "live") | nindent 2 }}
  periodSeconds: {{ $isSlow | ternary 60 20 }}
  timeoutSeconds: {{ $isSlow | ternary 50 5 }}
  failureThreshold: {{ $isSlow | ternary 3 6 }}
readinessProbe:
  {{- include "neighborconnect.check" (dict "spec" .spec "kind" "ready") | nindent 2 }}
  periodSeconds: {{ $isSlow | ternary 60 5 }}
  timeoutSeconds: {{ $isSlow | ternary 50 6 }}
  failureThreshold: {{ $isSlow | ternary 3 2 }}
{{- end -}}

{{- define "neighborconnect.serviceAccountName" -}}
{{- printf "%s-%s" (include "neighborconnect.fullname" .root) .component -}}
{{- end -}}

{{- /* A Deployment of a component. `track`, `tag` and `replicas` are those of one variant of the API. */ -}}
{{- define "neighborconnect.deployment" -}}
{{- $values := index .root.Values.components .component -}}
{{- $spec := .spec -}}
{{- $scope := dict "root" .root "component" .component "track" .track -}}
{{- $suffix := .suffix | default "" -}}
{{- $isDagster := hasPrefix "dagster-" .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "neighborconnect.fullname" .root }}-{{ .component }}{{ $suffix }}
  labels:
    {{- include "neighborconnect.labels" $scope | nindent 4 }}
spec:
  {{- if $spec.single }}
  replicas: 1
  strategy:
    type: Recreate
  {{- else }}
  {{- if not $values.autoscaling.enabled }}
  replicas: {{ .replicas | default $values.replicas }}
  {{- end }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 25%
      maxUnavailable: 0
  {{- end }}
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      {{- include "neighborconnect.selector" $scope | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "neighborconnect.labels" $scope | nindent 8 }}
      {{- if or $isDagster $values.podAnnotations }}
      annotations:
        {{- if $isDagster }}
        checksum/dagster: {{ include "neighborconnect.dagsterConfig" .root | sha256sum }}
        {{- end }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "neighborconnect.serviceAccountName" $scope }}
      automountServiceAccountToken: {{ $spec.launches | default false }}
      # Variables of other services would have names of our settings.
      enableServiceLinks: false
      terminationGracePeriodSeconds: 30
      {{- with .root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      securityContext:
        {{- include "neighborconnect.podSecurity" . | nindent 8 }}
      {{- if not $spec.single }}
      topologySpreadConstraints:
        {{- range .root.Values.topologySpread }}
        - maxSkew: 1
          topologyKey: {{ .topologyKey }}
          whenUnsatisfiable: {{ .whenUnsatisfiable }}
          labelSelector:
            matchLabels:
              {{- include "neighborconnect.selector" $scope | nindent 14 }}
        {{- end }}
      {{- end }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "neighborconnect.image" (dict "root" .root "tag" .tag) }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          command: {{ toJson $spec.command }}
          {{- with $spec.port }}
          ports:
            - name: {{ empty $spec.grpc | ternary "http" "grpc" }}
              containerPort: {{ . }}
          {{- end }}
          env:
            {{- include "neighborconnect.environment" (dict "root" .root "spec" $spec) | nindent 12 }}
            {{- if $isDagster }}
            - name: DAGSTER_DATA_DIR
              value: /var/lib/neighborconnect
            {{- end }}
          {{- include "neighborconnect.probes" (dict "spec" $spec) | nindent 10 }}
          {{- if $spec.port }}
          lifecycle:
            preStop:
              # Endpoints are removed while the process still serves.
              sleep:
                seconds: 5
          {{- end }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            {{- include "neighborconnect.containerSecurity" . | nindent 12 }}
          volumeMounts:
            {{- include "neighborconnect.volumeMounts" . | nindent 12 }}
            {{- if $isDagster }}
            - name: dagster-instance
              mountPath: /app/dagster_home
              readOnly: true
            {{- end }}
      volumes:
        {{- include "neighborconnect.volumes" . | nindent 8 }}
        {{- if $isDagster }}
        - name: dagster-instance
          configMap:
            name: {{ include "neighborconnect.fullname" .root }}-dagster
        {{- end }}
{{- end -}}

{{- define "neighborconnect.autoscaler" -}}
{{- $values := index .root.Values.components .component -}}
{{- $name := printf "%s-%s%s" (include "neighborconnect.fullname" .root) .component (.suffix | default "") -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels:
    {{- include "neighborconnect.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ $name }}
  minReplicas: {{ $values.autoscaling.minReplicas }}
  maxReplicas: {{ $values.autoscaling.maxReplicas }}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 300
  metrics:
    {{- with $values.autoscaling.cpuPercent }}
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ . }}
    {{- end }}
    {{- with $values.autoscaling.external }}
    - type: External
      external:
        metric:
          name: {{ .metric }}
          selector:
            matchLabels:
              {{- toYaml .labels | nindent 14 }}
        target:
          type: AverageValue
          averageValue: {{ .averageValue | quote }}
    {{- end }}
{{- end -}}

{{- /* Variants of the API by its rollout strategy, as JSON: suffix, track, tag and replicas of each. */ -}}
{{- define "neighborconnect.apiVariants" -}}
{{- $rollout := .Values.components.api.rollout -}}
{{- if eq $rollout.strategy "blueGreen" -}}
{{- $blue := dict "suffix" "-blue" "track" "blue" "tag" $rollout.blueGreen.blueTag -}}
{{- $green := dict "suffix" "-green" "track" "green" "tag" $rollout.blueGreen.greenTag -}}
{{- dict "variants" (list $blue $green) | toJson -}}
{{- else if eq $rollout.strategy "canary" -}}
{{- $stable := dict "suffix" "" "track" "stable" -}}
{{- $canary := dict "suffix" "-canary" "track" "canary" "tag" $rollout.canary.tag "replicas" $rollout.canary.replicas -}}
{{- dict "variants" (list $stable $canary) | toJson -}}
{{- else -}}
{{- dict "variants" (list (dict "suffix" "" "track" "stable")) | toJson -}}
{{- end -}}
{{- end -}}
