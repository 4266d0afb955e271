{{ config(indexes=[{'columns': ['puid'], 'unique': true}]) }}

{# Values of the schema of the EU's DSA transparency database. #}
{% set visibility = {'label': 'LABELLED', 'hide': 'DISABLED', 'remove': 'REMOVED'} %}
{% set categories = {
    'harassment': 'CYBER_VIOLENCE', 'hate': 'ILLEGAL_OR_HARMFUL_SPEECH', 'violence': 'VIOLENCE',
    'fraud': 'SCAMS_AND_FRAUD', 'privacy': 'DATA_PROTECTION_AND_PRIVACY_VIOLATIONS'
} %}
{% set content_types = {
    'post': 'TEXT', 'comment': 'TEXT', 'review': 'TEXT', 'seller_review': 'TEXT', 'message': 'TEXT',
    'item': 'PRODUCT', 'upload': 'IMAGE', 'reel': 'VIDEO'
} %}

select
    decisions.decision_id as puid,
    case decisions.outcome
        {% for outcome, name in visibility.items() %}
        when '{{ outcome }}' then 'DECISION_VISIBILITY_CONTENT_{{ name }}'
        {% endfor %}
    end as decision_visibility,
    case when decisions.outcome = 'suspend' then 'DECISION_ACCOUNT_SUSPENDED' end as decision_account,
    'DECISION_GROUND_INCOMPATIBLE_CONTENT'::text as decision_ground,
    decisions.rule as incompatible_content_ground,
    case cases.main_reason
        {% for reason, name in categories.items() %}
        when '{{ reason }}' then 'STATEMENT_CATEGORY_{{ name }}'
        {% endfor %}
        else 'STATEMENT_CATEGORY_OTHER_VIOLATION_TC'
    end as category,
    case cases.subject_kind
        {% for kind, name in content_types.items() %}
        when '{{ kind }}' then 'CONTENT_TYPE_{{ name }}'
        {% endfor %}
        else 'CONTENT_TYPE_OTHER'
    end as content_type,
    case when cases.is_detected_by_model then 'Yes' else 'No' end as automated_detection,
    -- A moderator takes every decision; the model hides some content until then.
    case
        when cases.was_hidden_by_model then 'AUTOMATED_DECISION_PARTIALLY'
        else 'AUTOMATED_DECISION_NOT_AUTOMATED'
    end as automated_decision,
    case
        when cases.reports > 0 then 'SOURCE_TYPE_OTHER_NOTIFICATION' else 'SOURCE_VOLUNTARY'
    end as source_type,
    (content.created_at at time zone 'UTC')::date as content_date,
    (decisions.decided_at at time zone 'UTC')::date as application_date,
    case when decisions.outcome = 'hide' then (decisions.until at time zone 'UTC')::date end
        as end_date_visibility_restriction,
    case when decisions.outcome = 'suspend' then (decisions.until at time zone 'UTC')::date end
        as end_date_account_restriction,
    decisions.decided_at as created_at,
    decisions.undone_at,
    appeals.state as appeal_state
from {{ ref('stg_moderation_decisions') }} as decisions
inner join {{ ref('fct_moderation_cases') }} as cases on cases.case_id = decisions.case_id
left join {{ ref('int_content_dates') }} as content
    on content.subject_kind = cases.subject_kind and content.subject_id = cases.subject_id
left join {{ ref('stg_moderation_appeals') }} as appeals on appeals.decision_id = decisions.decision_id
where decisions.outcome <> 'keep'
