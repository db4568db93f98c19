//! More APIs in wide use, each read with the config that its manual asks for, and without a paginator: then all rows
//! come, or the run says that they may not be all.

mod servers;

use super::super::api::{Api, Call, Reply};
use super::{TOTAL, asked, check, scene};

struct Vendor {
    name: &'static str,
    answer: fn(&Call) -> Reply,
    /// Keys of the endpoint beside its paginator.
    endpoint: &'static str,
    paginator: &'static str,
    requests: &'static [&'static str],
    /// What is said without a paginator; empty if all rows come.
    auto: &'static str,
}

const VENDORS: &[Vendor] = &[
    Vendor {
        name: "Salesforce",
        answer: servers::salesforce,
        endpoint: "data_selector = \"records\"\nparams = { q = \"SELECT Id\" }",
        paginator: "{ type = \"json_link\", next_url_path = \"nextRecordsUrl\", keep_params = false, total_rows_path = \"totalSize\" }",
        requests: &["q=SELECT Id", "", ""],
        auto: "",
    },
    Vendor {
        name: "Jira",
        answer: servers::jira,
        endpoint: "data_selector = \"values\"",
        paginator: "{ type = \"offset\", limit = 3, offset_param = \"startAt\", limit_param = \"maxResults\" }",
        requests: &["startAt=0&maxResults=3", "startAt=3&maxResults=3", "startAt=6&maxResults=3"],
        auto: "`isLast` says that there is more",
    },
    Vendor {
        name: "Jira, search",
        answer: servers::jira_search,
        endpoint: "data_selector = \"issues\"",
        paginator: "{ type = \"cursor\", cursor_path = \"nextPageToken\", cursor_param = \"nextPageToken\" }",
        requests: &["", "nextPageToken=tok3", "nextPageToken=tok6"],
        auto: "page 2 has the rows of page 1",
    },
    Vendor {
        name: "GitLab, keyset",
        answer: servers::gitlab_keyset,
        endpoint: "params = { pagination = \"keyset\", per_page = 3 }",
        paginator: "\"header_link\"",
        requests: &["pagination=keyset&per_page=3", "per_page=3&cursor=tok3", "per_page=3&cursor=tok6"],
        auto: "",
    },
    Vendor {
        name: "GitLab, by a header",
        answer: servers::gitlab_offset,
        endpoint: "params = { per_page = 3 }",
        paginator: "{ type = \"header_cursor\", cursor_key = \"X-Next-Page\", cursor_param = \"page\" }",
        requests: &["per_page=3", "per_page=3&page=2", "per_page=3&page=3"],
        auto: "as a full page would",
    },
    Vendor {
        name: "GitLab, by the number of pages",
        answer: servers::gitlab_offset,
        endpoint: "params = { per_page = 3 }",
        paginator: "{ type = \"page_number\", base_page = 1, total_header = \"X-Total-Pages\" }",
        requests: &["per_page=3&page=1", "per_page=3&page=2", "per_page=3&page=3"],
        auto: "as a full page would",
    },
    Vendor {
        name: "Slack",
        answer: servers::slack,
        endpoint: "data_selector = \"members\"",
        paginator: "{ type = \"cursor\", cursor_path = \"response_metadata.next_cursor\" }",
        requests: &["", "cursor=tok3", "cursor=tok6"],
        auto: "",
    },
    Vendor {
        name: "Zendesk, export",
        answer: servers::zendesk_export,
        endpoint: "data_selector = \"tickets\"\nresponse_actions = [{ json_path = \"end_of_stream\", action = \"stop\" }]",
        paginator: "{ type = \"cursor\", cursor_path = \"after_cursor\" }",
        requests: &["", "cursor=tok3", "cursor=tok6"],
        auto: "`end_of_stream` says that there is more",
    },
    Vendor {
        name: "Airtable",
        answer: servers::airtable,
        endpoint: "data_selector = \"records\"",
        paginator: "{ type = \"cursor\", cursor_path = \"offset\", cursor_param = \"offset\" }",
        requests: &["", "offset=tok3", "offset=tok6"],
        auto: "`offset` looks like what leads to a next page",
    },
    Vendor {
        name: "Intercom",
        answer: servers::intercom,
        endpoint: "data_selector = \"data\"",
        paginator: "{ type = \"cursor\", cursor_path = \"pages.next.starting_after\", cursor_param = \"starting_after\" }",
        requests: &["", "starting_after=tok3", "starting_after=tok6"],
        auto: "page 2 has the rows of page 1",
    },
    Vendor {
        name: "Mailchimp",
        answer: servers::mailchimp,
        endpoint: "data_selector = \"members\"",
        paginator: "{ type = \"offset\", limit = 3, limit_param = \"count\", total_path = \"total_items\" }",
        requests: &["offset=0&count=3", "offset=3&count=3", "offset=6&count=3"],
        auto: "`total_items` is 7, but only 3 rows came",
    },
    Vendor {
        name: "Klaviyo",
        answer: servers::klaviyo,
        endpoint: "data_selector = \"data\"",
        paginator: "{ type = \"json_link\", next_url_path = \"links.next\" }",
        requests: &["", "page[cursor]=tok3", "page[cursor]=tok6"],
        auto: "",
    },
    Vendor {
        name: "Twilio",
        answer: servers::twilio,
        endpoint: "data_selector = \"calls\"\nparams = { PageSize = 3 }",
        paginator: "{ type = \"json_link\", next_url_path = \"next_page_uri\" }",
        requests: &["PageSize=3", "PageSize=3&Page=1&PageToken=tok3", "PageSize=3&Page=2&PageToken=tok6"],
        auto: "",
    },
    Vendor {
        name: "Pipedrive",
        answer: servers::pipedrive,
        endpoint: "data_selector = \"data\"",
        paginator: "{ type = \"cursor\", cursor_path = \"additional_data.pagination.next_start\", cursor_param = \"start\", \
             has_more_path = \"additional_data.pagination.more_items_in_collection\" }",
        requests: &["", "start=3", "start=6"],
        auto: "",
    },
    Vendor {
        name: "Xero",
        answer: servers::xero,
        endpoint: "data_selector = \"Invoices\"\nparams = { pageSize = 3 }",
        paginator: "{ type = \"page_number\", base_page = 1 }",
        requests: &["pageSize=3&page=1", "pageSize=3&page=2", "pageSize=3&page=3", "pageSize=3&page=4"],
        auto: "as a full page would",
    },
    Vendor {
        name: "OData",
        answer: servers::odata,
        endpoint: "data_selector = \"value\"\nparams = { \"$top\" = 3 }",
        paginator: "{ type = \"json_link\", next_url_path = \"['@odata.nextLink']\" }",
        requests: &["$top=3", "$top=3&$skiptoken=tok3", "$top=3&$skiptoken=tok6"],
        auto: "",
    },
    Vendor {
        name: "OData 2",
        answer: servers::sap,
        endpoint: "data_selector = \"d.results\"",
        paginator: "{ type = \"json_link\", next_url_path = \"d.__next\" }",
        requests: &["", "$skiptoken=tok3", "$skiptoken=tok6"],
        auto: "",
    },
    Vendor {
        name: "GraphQL",
        answer: servers::relay,
        endpoint: "method = \"POST\"\ndata_selector = \"data.products.edges[*].node\"\n\
             json = { query = \"query($after: String) {{ products }}\", variables = { first = 3 } }",
        paginator: "{ type = \"cursor\", cursor_path = \"data.products.pageInfo.endCursor\", \
             cursor_body_path = \"variables.after\", has_more_path = \"data.products.pageInfo.hasNextPage\" }",
        requests: &[
            r#"{"query":"query($after: String) { products }","variables":{"first":3}}"#,
            r#"{"query":"query($after: String) { products }","variables":{"first":3,"after":"tok3"}}"#,
            r#"{"query":"query($after: String) { products }","variables":{"first":3,"after":"tok6"}}"#,
        ],
        auto: "`cursor_body_path`",
    },
    Vendor {
        name: "Elasticsearch",
        answer: servers::elasticsearch,
        endpoint: "method = \"POST\"\ndata_selector = \"hits.hits\"\njson = { size = 3 }",
        paginator: "{ type = \"last_row\", cursor_field = \"sort\", cursor_body_path = \"search_after\", has_more_path = \"\" }",
        requests: &[
            r#"{"size":3}"#,
            r#"{"size":3,"search_after":[1700000000000,3]}"#,
            r#"{"size":3,"search_after":[1700000000000,6]}"#,
            r#"{"size":3,"search_after":[1700000000000,7]}"#,
        ],
        auto: "`hits.total.value` is 7, but only 3 rows came",
    },
    Vendor {
        name: "DynamoDB",
        answer: servers::dynamodb,
        endpoint: "method = \"POST\"\ndata_selector = \"Items\"\njson = { Limit = 3 }",
        paginator: "{ type = \"cursor\", cursor_path = \"LastEvaluatedKey\", cursor_body_path = \"ExclusiveStartKey\" }",
        requests: &[
            r#"{"Limit":3}"#,
            r#"{"Limit":3,"ExclusiveStartKey":{"id":{"N":"3"}}}"#,
            r#"{"Limit":3,"ExclusiveStartKey":{"id":{"N":"6"}}}"#,
        ],
        auto: "`LastEvaluatedKey.id.N` looks like what leads to a next page",
    },
    Vendor {
        name: "AWS",
        answer: servers::aws,
        endpoint: "method = \"POST\"\ndata_selector = \"Items\"\njson = {}",
        paginator: "{ type = \"cursor\", cursor_path = \"NextToken\", cursor_body_path = \"NextToken\" }",
        requests: &["{}", r#"{"NextToken":"tok3"}"#, r#"{"NextToken":"tok6"}"#],
        auto: "`cursor_body_path`",
    },
    Vendor {
        name: "Django REST framework",
        answer: servers::django,
        endpoint: "data_selector = \"results\"",
        paginator: "{ type = \"json_link\", total_rows_path = \"count\" }",
        requests: &["", "page=2", "page=3"],
        auto: "",
    },
    Vendor {
        name: "Laravel",
        answer: servers::laravel_plain,
        endpoint: "data_selector = \"data\"",
        paginator: "{ type = \"page_number\", base_page = 1, total_path = \"last_page\" }",
        requests: &["page=1", "page=2", "page=3"],
        auto: "",
    },
    Vendor {
        name: "Spring Data",
        answer: servers::spring,
        endpoint: "data_selector = \"content\"",
        paginator: "{ type = \"page_number\", total_path = \"totalPages\", total_rows_path = \"totalElements\" }",
        requests: &["page=0", "page=1", "page=2"],
        auto: "",
    },
    Vendor {
        name: "Spring Data, slices",
        answer: servers::spring_slice,
        endpoint: "data_selector = \"content\"\nresponse_actions = [{ json_path = \"last\", action = \"stop\" }]",
        paginator: "\"page_number\"",
        requests: &["page=0", "page=1", "page=2"],
        auto: "`last` says that there is more",
    },
    Vendor {
        name: "WordPress",
        answer: servers::wordpress,
        endpoint: "",
        paginator: "\"header_link\"",
        requests: &["", "page=2", "page=3"],
        auto: "",
    },
    Vendor {
        name: "WordPress, by the number of pages",
        answer: servers::wordpress,
        endpoint: "",
        paginator: "{ type = \"page_number\", base_page = 1, total_header = \"X-WP-TotalPages\" }",
        requests: &["page=1", "page=2", "page=3"],
        auto: "",
    },
    Vendor {
        name: "Teamwork",
        answer: servers::teamwork,
        endpoint: "data_selector = \"projects\"\nparams = { pageSize = 3 }",
        paginator: "{ type = \"page_number\", base_page = 1, total_header = \"x-pages\" }",
        requests: &["pageSize=3&page=1", "pageSize=3&page=2", "pageSize=3&page=3"],
        auto: "as a full page would",
    },
    Vendor {
        name: "Discourse",
        answer: servers::discourse,
        endpoint: "data_selector = \"topic_list.topics\"",
        paginator: "{ type = \"json_link\", next_url_path = \"topic_list.more_topics_url\" }",
        requests: &["", "page=1", "page=2"],
        auto: "`topic_list.more_topics_url` looks like what leads to a next page",
    },
    Vendor {
        name: "Reddit",
        answer: servers::reddit,
        endpoint: "data_selector = \"data.children[*].data\"",
        paginator: "{ type = \"cursor\", cursor_path = \"data.after\", cursor_param = \"after\" }",
        requests: &["", "after=tok3", "after=tok6"],
        auto: "`data.after` looks like what leads to a next page",
    },
    Vendor {
        name: "YouTube",
        answer: servers::youtube,
        endpoint: "data_selector = \"items\"",
        paginator: "{ type = \"cursor\", cursor_path = \"nextPageToken\", cursor_param = \"pageToken\" }",
        requests: &["", "pageToken=tok3", "pageToken=tok6"],
        auto: "",
    },
    Vendor {
        name: "BigCommerce",
        answer: servers::bigcommerce,
        endpoint: "data_selector = \"data\"\nparams = { limit = 3 }",
        paginator: "{ type = \"json_link\", next_url_path = \"meta.pagination.links.next\" }",
        requests: &["limit=3", "page=2&limit=3", "page=3&limit=3"],
        auto: "",
    },
    Vendor {
        name: "ServiceNow",
        answer: servers::servicenow,
        endpoint: "data_selector = \"result\"",
        paginator: "{ type = \"offset\", limit = 3, offset_param = \"sysparm_offset\", limit_param = \"sysparm_limit\", \
             total_header = \"X-Total-Count\" }",
        requests: &[
            "sysparm_offset=0&sysparm_limit=3",
            "sysparm_offset=3&sysparm_limit=3",
            "sysparm_offset=6&sysparm_limit=3",
        ],
        auto: "",
    },
    Vendor {
        name: "Lever",
        answer: servers::lever,
        endpoint: "data_selector = \"data\"",
        paginator: "{ type = \"cursor\", cursor_path = \"next\", cursor_param = \"offset\", has_more_path = \"hasNext\" }",
        requests: &["", "offset=tok3", "offset=tok6"],
        auto: "page 2 has the rows of page 1",
    },
    Vendor {
        name: "Recurly",
        answer: servers::recurly,
        endpoint: "data_selector = \"data\"\nparams = { limit = 3 }",
        paginator: "{ type = \"json_link\", has_more_path = \"has_more\" }",
        requests: &["limit=3", "cursor=tok3&limit=3", "cursor=tok6&limit=3"],
        auto: "",
    },
    Vendor {
        name: "Chargebee",
        answer: servers::chargebee,
        endpoint: "data_selector = \"list[*].customer\"",
        paginator: "{ type = \"cursor\", cursor_path = \"next_offset\", cursor_param = \"offset\" }",
        requests: &["", "offset=[\"3\"]", "offset=[\"6\"]"],
        auto: "",
    },
    Vendor {
        name: "Zoho",
        answer: servers::zoho,
        endpoint: "data_selector = \"data\"",
        paginator: "{ type = \"page_number\", base_page = 1, has_more_path = \"info.more_records\" }",
        requests: &["page=1", "page=2", "page=3"],
        auto: "",
    },
    Vendor {
        name: "Facebook",
        answer: servers::facebook,
        endpoint: "data_selector = \"data\"",
        paginator: "{ type = \"json_link\", next_url_path = \"paging.next\" }",
        requests: &["", "limit=3&after=tok3", "limit=3&after=tok6"],
        auto: "",
    },
];

#[test]
fn each_is_read_with_the_config_of_its_manual() {
    for vendor in VENDORS {
        check(
            vendor.answer,
            &format!("{}\npaginator = {}", vendor.endpoint, vendor.paginator),
            vendor.requests,
        );
    }
}

/// A run without a paginator has all rows, or says why it may not.
#[test]
fn without_a_paginator_nothing_is_short_without_a_word() {
    for vendor in VENDORS {
        let api = Api::start(vendor.answer);
        let scene = scene(&api, vendor.endpoint);
        let ran = scene.run(&[]);
        let said = format!("{}{}", ran.stderr, ran.stdout);
        if vendor.auto.is_empty() {
            assert_eq!(ran.code, Some(0), "{}: {said}", vendor.name);
            let ids: Vec<usize> = (1..=TOTAL).collect();
            assert_eq!(scene.column("rows", "id"), ids, "{}: {:?}", vendor.name, asked(&api));
        } else {
            assert!(said.contains(vendor.auto), "{}: {said}", vendor.name);
        }
    }
}
